"""Benchmarks: shapes, those who run them, and what comes of comparing them."""
