"""SQL over the lakehouse: DuckDB reads the files of the tables' published snapshots."""
