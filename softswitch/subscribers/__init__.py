"""Lines, trunks and subscribers: their settings, services and status."""
