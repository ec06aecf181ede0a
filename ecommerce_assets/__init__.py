"""A shop's daily CSV deliveries as trusted bronze, silver and gold Iceberg tables."""
