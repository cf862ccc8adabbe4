"""The experiment on images: pictures as functions of two coordinates, by KANs, MLPs, Fourier features and SIREN.

`imaging` is the experiment. `quality` has the pictures and the measures of quality, `networks` the networks of
every kind and their training within a time limit, and `reporting` turns stored rows into result tables and figures.
"""
