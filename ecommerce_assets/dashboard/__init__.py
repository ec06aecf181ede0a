"""The sales dashboard: one self-contained HTML page built from the published tables."""
