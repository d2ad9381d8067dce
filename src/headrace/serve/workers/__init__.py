"""Several processes that answer as one service: who holds what, who speaks to whom, and how all of them are renewed."""
