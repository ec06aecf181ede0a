"""Trying a shop file by DuckDB, before anything is written: drafts, and judged deliveries."""
