"""Price lists and CDRs in the file formats of other programs."""
