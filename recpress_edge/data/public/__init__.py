"""Public data sets by name: the table of them, their files, and what our files are made from."""
