"""What declarations mean: expressions, windows, lineage, and how they lower to columns and to single rows."""
