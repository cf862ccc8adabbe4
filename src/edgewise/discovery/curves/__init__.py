"""Laws by their curves: models of splines under links are fitted, and their curves recognised as elementary functions.

`stage` has the two doors. Data with noise need this stage: splines smooth it, where exact methods see no law.
"""
