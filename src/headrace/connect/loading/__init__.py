"""Loading brings what a source has through its contract into the lake, each row once, whatever is killed and when."""
