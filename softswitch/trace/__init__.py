"""SIP traces: recorded for a while, shown as a ladder, written as pcap, sent as HEP."""
