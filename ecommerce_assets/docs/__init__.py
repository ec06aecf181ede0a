"""The data dictionary: one page, written from the tables' declarations."""
