"""The experiment on fifteen real tables (`tables`), the tables themselves, and the additive models EBM and pyGAM."""
