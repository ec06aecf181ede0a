"""Pure functions and declarations; no lakehouse of their own."""
