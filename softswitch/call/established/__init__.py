"""An answered call: re-INVITEs, transfers, merging, hanging up."""
