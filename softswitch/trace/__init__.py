"""What went over the wire: kept for a while, shown as a ladder, written as pcap, sent as HEP."""
