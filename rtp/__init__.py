"""RTP: RFC 3550 and its family. Knows neither SIP nor money."""
