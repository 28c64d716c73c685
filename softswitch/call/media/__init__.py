"""The sound of a call: its relay session, SDP of both legs, codecs, keys, tones, recording."""
