"""What a user knows before the search, beyond the operators: its form, groups of rows, extreme units of columns."""
