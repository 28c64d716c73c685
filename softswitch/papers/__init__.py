"""Papers for subscribers: bills, invoices, acts, contracts, in five languages."""
