"""Bronze: the rows as delivered."""
