"""The lakehouse: Spark session, Iceberg catalog, staging, publishing. It knows no table by name."""
