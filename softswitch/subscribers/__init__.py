"""Lines, trunks and subscribers: what they have switched on, and what that allows."""
