"""One run: from a recipe to a data set, a model and a method, to their training, and to the folder that keeps it."""
