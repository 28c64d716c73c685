"""Who pays for a call, for how long, and the CDR that comes of it."""
