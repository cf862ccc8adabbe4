"""Code that several commands share: tables and models on the command line, folders of results, formulas and figures.

`opening`, `folder`, `source`, `large` and `preparation` check and read files before torch is imported; `model` and
`formulas` need it.
"""
