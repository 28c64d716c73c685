"""softswitch.toml: a module for each group of sections, and the reading of the whole."""
