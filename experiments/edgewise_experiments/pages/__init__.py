"""Output of all experiments together: the command, the HTML page of results, and the table of claims."""
