"""The data of the experiments: target functions of the KAN paper, pictures, quasiperiodic chains, and a text.

`functions` collects the paper's toy functions, special functions and Feynman equations as `TargetFunction` objects
(`target`); `images` has a photograph and a turbulence-like field, `anderson` the chains of the experiment on
localisation, and `texts` Paradise Lost. PROVENANCE.md states where the text comes from.
"""
