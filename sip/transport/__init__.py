"""The sockets of each transport."""
