"""A fictional shop: its daily deliveries as CSV files, with realistic defects."""
