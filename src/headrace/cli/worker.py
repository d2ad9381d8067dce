"""``python -m headrace.cli.worker FD``: a process of ``headrace serve --workers``, which speaks over an open socket."""

from __future__ import annotations

import logging
import os
import socket
import sys


def main() -> int:
    """Load the project and do the task that comes over the line; return the exit code."""
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
        return error.exit_code
    return 0


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)  # all is closed; libraries that tell of what they leave in memory do so to users
