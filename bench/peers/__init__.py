"""What runs within peers: nothing here is imported by Headrace, and nothing of Headrace is imported here."""
