"""Runs of the jobs in this process, on Iceberg tables in a folder."""
