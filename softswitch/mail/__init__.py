"""E-mail: queued with what caused it, sent by SMTP, tried again until it is taken or refused."""
