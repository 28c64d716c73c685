"""Call completion: who couldn't be reached is connected, or told, when he is back (D1-D10)."""
