"""Measures what the suite costs: ``python -m stickyconf.bench`` prints a table, and asserts nothing."""
