"""Call completion (CCBS, CCNR): a caller is connected, or told, when a line that was busy or
unreachable is back (D1-D10)."""
