"""The Dagster side: assets, checks, partitions, jobs, schedules, and the launchers of Glue jobs.

Derived from the tables' declarations. Loading it starts no JVM and uses neither data nor network.
"""
