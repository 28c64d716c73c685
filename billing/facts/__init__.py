"""Values and commands of billing: frozen, without state, without I/O."""
