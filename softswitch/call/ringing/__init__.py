"""From the first INVITE towards the called side until an answer."""
