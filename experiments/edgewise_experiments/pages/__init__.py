"""Output of all experiments together: `edgewise reproduce`, the HTML page of results, and the table of claims."""
