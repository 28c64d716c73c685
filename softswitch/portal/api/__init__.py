"""The HTTP API under /api/v1: operations for programs, which show a token."""
