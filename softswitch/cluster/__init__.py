"""Several switches on one database: which of them live, and what becomes of the calls of those that
died."""
