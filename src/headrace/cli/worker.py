"""``python -m headrace.cli.worker FD``: a process of ``headrace serve --workers``, which speaks over an open socket."""

from __future__ import annotations

import socket
import sys


def main() -> None:
    """Load the project and do the task that comes over the line."""
    from headrace.cli.commands.serve import traces_of, trusted
    from headrace.errors import HeadraceError
    from headrace.run import load_project
    from headrace.serve.workers.line import Line, failed
    from headrace.serve.workers.process import work

    sys.stdout = sys.stderr
    line = Line(socket.socket(fileno=int(sys.argv[1])))
    task = line.task()
    try:
        loaded = load_project(task.folder, task.target)
        work(loaded, task, line, trusted(loaded), None if task.keeps else traces_of(loaded))
    except HeadraceError as error:
        line.tell(failed(error))
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()
