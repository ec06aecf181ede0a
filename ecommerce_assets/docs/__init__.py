"""The data dictionary: one page, generated from the tables' declarations."""
