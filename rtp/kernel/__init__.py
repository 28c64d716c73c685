"""The kernel's part of the relay: packets between latched peers that no process has to touch."""
