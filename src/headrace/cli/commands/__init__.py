"""One file for each command; each defines ``command``, and imports what is heavy inside it."""
