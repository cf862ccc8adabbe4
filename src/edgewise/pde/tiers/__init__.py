"""Tiers: methods for equations, each of which names the problems it fits and makes ever sharper solutions of them.

`collocation` has tensor grids of B-splines on boxes, `evolution` the same grids, one time element after the other;
`galerkin` has weak forms and cut cells for rough coefficients and other domains, `least_squares` even splines with
singular functions, `tensor_train` many coordinates, and `unknown_fields` fields that are sought from measurements.

Where the numerics are decided:

- the time step: `TimeStepper.run` in `evolution.stepper`, at "Step-size control";
- a boundary condition: as rows of a grid in `GridProblem.condition_blocks` (`spaces.grid_problem`), by Nitsche's method
  in `galerkin.assembly`, and as a block of least squares in `Collocation.blocks` (`problem.collocation`);
- the estimate of the error: that of a level by its tier, `Tier.error` with the rules `error_of_...` of `solver.record`,
  and independent checks of the solution in `judge` (`solver.judging.evidence`);
- a new tier: a class in `solver.cascade`, which names it in the order of `TIERS`, with its method in a module here.
"""
