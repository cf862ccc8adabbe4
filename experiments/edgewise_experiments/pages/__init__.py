"""What is made of all experiments together: the table of claims, the page of results, the `reproduce` command."""
