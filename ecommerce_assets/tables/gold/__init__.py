"""Gold: the star schema and the KPIs."""
