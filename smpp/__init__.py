"""SMPP 3.4 and 5.0 without I/O: PDUs, alphabets, segments, receipts, and the session machine."""
