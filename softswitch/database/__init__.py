"""The database's schema and migrations, and the news of changes made to it."""
