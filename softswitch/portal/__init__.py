"""The web: the subscriber's cabinet, the operator's console, and the HTTP API.

A process of its own. It reads the database by itself, in short read-only transactions, and has the
running switch make every change, on behalf of the person who asks.
"""
