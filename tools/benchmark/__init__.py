"""Benchmarks that print figures and ratios; run by `make bench`, not part of the test suite."""
