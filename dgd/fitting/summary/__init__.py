"""Squared losses from sums of products: one pass, and any number of fits without another."""
