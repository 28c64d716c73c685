"""Identity on the web: users, what they may act for, their sessions, and the throttle of guesses.

Shares the database with billing, whose metadata these tables extend. The portal writes sessions and
attempts itself, in short transactions of its own: signing in works while the switch is away.
"""
