"""Prompts as text and tokens in five languages: numbers, money, times and dates as lists of tokens,
each of which is one recording. Independent of SIP, sound and billing."""
