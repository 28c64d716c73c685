"""The command line: an entrance that calls operations and holds no rule of its own."""
