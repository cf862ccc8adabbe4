"""Figures of solutions of differential equations: `solution_figure` on a page, `animate` as a film over time.

`solution_history` shows the stages of a solve, and `modes_figure` eigenfunctions.
"""
