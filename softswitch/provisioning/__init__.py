"""Provisioning: desk phones and apps fetch their configuration by HTTPS.

`answering` is the entrance: a request comes in as a value, a response goes out as one, together
with its effects (a phone was seen, a guess was made). No module here but the stores touches a file,
a socket or a clock.
"""
