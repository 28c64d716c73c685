"""The switch: composes sip, rtp and billing into admission, calls, services and operations."""
