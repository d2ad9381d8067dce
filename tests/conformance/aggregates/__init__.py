"""One file for each aggregate: its answers over the same seven sales, worked out by hand or by another library."""
