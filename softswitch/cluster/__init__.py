"""Several switches as one: phones, limits and events that nodes on one database share, which nodes
live, and what becomes of the calls of those that died."""
