"""``python -m bench [NAME …] [--small] [--write]``: run benchmarks, print ratios, write docs/benchmarks.md."""

from __future__ import annotations

import argparse
import importlib
import sys

from bench.report import write

SUITES = (
    "windows", "asof", "scale", "start", "validation", "loading", "postgres", "incremental", "training", "explain",
    "report_page", "explore",
)  # fmt: skip


def main(arguments: list[str]) -> int:
    """Run the suites that were named, all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*SUITES, []], help="which to run; all by default")
    parser.add_argument("--small", action="store_true", help="a hundredth of the size, to see that it works")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and the README's table")
    chosen = parser.parse_args(arguments)
    results = []
    for name in chosen.names or SUITES:
        for result in importlib.import_module(f"bench.{name}").suite(chosen.small):
            print(result.line(), flush=True)
            results.append(result)
    if chosen.write:
        write(results, small=chosen.small)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
