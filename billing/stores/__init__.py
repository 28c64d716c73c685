"""The books in a database: tables, loading and writing, group commit, the journal."""
