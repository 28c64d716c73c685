"""Charging: the payers of a call, its paid time, and its CDRs."""
