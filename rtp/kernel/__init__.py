"""The kernel tier of the relay: eBPF programs forward packets between latched peers without a
process."""
