"""What the switch says: texts in five languages, and numbers, money, times and dates as lists of
tokens, each of which is one recording. Knows neither SIP nor sound nor money."""
