"""The catalogue of errors: codes, their English sentences, and their texts for subscribers."""
