"""``python -m headrace``: the command, where ``headrace`` itself is not on the path."""

from headrace.cli import main

main()
