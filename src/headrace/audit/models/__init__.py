"""What the report finds out about models: computed here as small values, drawn in ``shown``."""
