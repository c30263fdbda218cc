"""Measurements, run by hand: `python -m tests.benchmarks NAME`. Each prints a table and, with --json, JSON."""
