"""What happens to an INVITE before anything rings, stage by stage."""
