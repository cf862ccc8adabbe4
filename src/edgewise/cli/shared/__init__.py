"""Parts that several commands use.

`options` declares the options, `exit_codes` ends a command after an error, `console` writes to the terminal, and
`folder` writes the files of --out. `source`, `split` and `preparation` lead from a table to training and test rows;
`model` opens a fitted model, and `formulas` shows and writes formulas.
"""
