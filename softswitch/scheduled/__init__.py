"""Work that falls due at an instant: renewals, debts, orders, number changes, notices."""
