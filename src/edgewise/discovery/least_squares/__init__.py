"""Laws that need no search: sums, ratios and products of powers by linear least squares, under links of the target."""
