"""Call recordings of lines that have `record` set."""
