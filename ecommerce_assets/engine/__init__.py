"""What looks at single rows, by DuckDB wherever it runs; and queries, with their translation."""
