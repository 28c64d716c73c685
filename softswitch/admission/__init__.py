"""What happens to an INVITE before anything rings; each stage takes what the one before returned."""
