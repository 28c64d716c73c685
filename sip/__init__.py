"""SIP: RFC 3261 and its family. Knows neither sound nor money."""
