"""Money: tariffs, rating, ledger, reservations. Knows neither SIP, RTP nor HTTP."""
