"""Creating a switch, and checking that it has what it needs."""
