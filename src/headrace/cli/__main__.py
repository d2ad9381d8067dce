"""``python -m headrace.cli``: the same as ``headrace``."""

from headrace.cli.app import main

main()
