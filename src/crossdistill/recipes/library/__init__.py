"""The recipes that have a name: one typed function each, listed in `catalogue`."""
