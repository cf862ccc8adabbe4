"""Knowledge that a user states before the search: a structure, groups of rows, extreme units of columns."""
