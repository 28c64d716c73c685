"""Services beside calls: event packages for phones, service codes, texts of the switch, trunk
monitoring."""
