"""The machinery of the experiments: `run_jobs` measures missing rows, `Store` keeps them, `Outcome` shows them."""
