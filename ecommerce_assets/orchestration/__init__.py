"""Dagster's side: assets, checks, partitions, jobs, the schedule, and the launchers of Glue jobs.

Made from the tables' declarations; loading it starts no JVM, reads no data, reaches no network.
"""
