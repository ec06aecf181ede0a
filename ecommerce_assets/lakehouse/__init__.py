"""The lakehouse: Spark session, Iceberg catalog, audit and publish. Knows no table by name."""
