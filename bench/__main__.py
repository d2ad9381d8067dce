"""``python -m bench [NAME …] [--small] [--write]``: run benchmarks, print ratios, write docs/benchmarks.md.

What is written of other suites is as it was measured before, and says of which code that was.
"""

from __future__ import annotations

import argparse
import importlib
import sys

from bench.report import keep, stamp, write

SUITES = (
    "windows", "asof", "scale", "start", "validation", "loading", "postgres", "incremental", "training", "explain",
    "report_page", "explore", "score", "serving",
)  # fmt: skip


def main(arguments: list[str]) -> int:
    """Run the suites that were named, all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*SUITES, []], help="which to run; all by default")
    parser.add_argument("--small", action="store_true", help="a hundredth of the size, to see that it works")
    parser.add_argument("--long", action="store_true", help="of serving: memory over ten million requests, too")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and the README's table")
    chosen = parser.parse_args(arguments)
    if chosen.write and chosen.small:
        parser.error("--write shows how fast it is, which --small does not")
    when = stamp()
    for name in chosen.names or SUITES:
        results = importlib.import_module(f"bench.{name}").suite(
            chosen.small, **({"long": True} if chosen.long and name == "serving" else {})
        )
        for result in results:
            print(result.line(), flush=True)
        if chosen.write and results:
            keep(name, results, when)
    if chosen.write:
        write(SUITES)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
