"""Rows that are made of other rows: some of them, several below one another, decoded, without missing cells."""
