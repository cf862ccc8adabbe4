"""Golden rows: results of the whole library on fixed problems, by public names only, stored and compared.

Each of `tables`, `equations`, `laws`, `edits` and `networks` has a mapping `ROWS` of names to functions that return a
row; `runner` makes the rows in two processes of one thread and writes them beside the sources, one file a kind, and
`comparison` says what differs. `make golden` stores, `make golden-check` compares with what is stored,
`make golden-check QUICK=1` does so for the rows that take the least time, and `make golden-check BASE=commit` compares
bits with the rows that an earlier commit makes on this machine.
"""
