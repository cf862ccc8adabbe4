"""Problems: an equation with its conditions (`PDE`), as residuals that `fit` trains on.

An equation is a function of fields (`fields`, `integrals`), evaluated at points (`evaluation`). With its conditions
(`conditions`) it is stated and checked once (`strong_form`); points make it a problem (`collocation`) of blocks of
residuals (`residuals`). Users make a `PDE`; a new condition is a class with `pieces`, `residuals` and `weight`, see
`BoundaryCondition`.
"""
