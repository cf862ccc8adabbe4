"""The terminal's side of the commands: options and their help, sentences and bars, JSON, exit codes, Ctrl-C.

Nothing here imports torch. `options` declares the options of all commands, `console` prints, `exit_codes` turns errors
into one sentence, `interrupts` answers Ctrl-C, `plain_values` makes JSON of results, and `help` shapes the help pages.
"""
