"""The command line, Dagster and runs as processes of their own: kills, races, rebuilds."""
