"""Users of the web: their logins, roles and passwords."""
