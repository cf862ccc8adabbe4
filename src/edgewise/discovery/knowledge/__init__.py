"""What a user knows before the search, beyond the operators: a structure, groups of rows, extreme units of columns."""
