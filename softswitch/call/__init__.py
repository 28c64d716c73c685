"""A call: two legs, their media and their money."""
