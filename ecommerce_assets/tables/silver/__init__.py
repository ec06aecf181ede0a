"""Silver: one current, clean, typed row per key; and what was quarantined, with its reasons."""
