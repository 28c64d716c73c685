"""What the switch does beside calls: tells who watches, passes texts on, looks after trunks."""
