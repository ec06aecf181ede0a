"""A shop that does not exist: its daily deliveries as CSV files, and what is wrong in them."""
