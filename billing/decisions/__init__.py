"""What a command does to the books: the working set of a batch, and its decisions."""
