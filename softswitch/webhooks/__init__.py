"""Webhooks: what happens to an account is told to its programs by HTTP.

An event is written by a trigger of the database, in the transaction of its cause: what was
committed is told, and nothing else. The portal makes deliveries of events, and sends them.
"""
