"""The promises of docs/reliability.md: what a crash can cost, what files may do, what stays the same."""
