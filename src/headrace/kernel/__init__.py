"""The hot loops: columns, aggregates, the sweeps that compute windows, and as-of look-ups."""
