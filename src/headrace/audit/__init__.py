"""What an auditor and a reader of a project see: the report."""
