"""A paper's experiment done again: its figures, what is measured, and the report of both."""
