"""Figures of solutions of differential equations: `solution_figure` on a page, `animate` as a film over time.

`modes_figure` shows eigenfunctions.
"""
