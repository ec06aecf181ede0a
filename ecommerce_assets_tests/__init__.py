"""Tests of ecommerce_assets, with real parts: Spark, Iceberg, Dagster's instance and servers."""
