"""`make up`: start every part as a child, prepare the database, serve, and stop all of it in order.

Uses only the standard library and what requirements/local.txt brings.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType

from config.embedded import PartError
from config.embedded.processes import follow_parent
from config.launch.launcher import Launcher
from config.launch.options import Options
from config.launch.screen import say


class Stopping(BaseException):
    """A signal asked the launcher to stop."""


def main() -> int:
    os.umask(0o077)  # inherited by every child: files below var/ are for this account only
    parent = Path(f"/proc/{os.getppid()}/comm")
    if parent.exists() and parent.read_text().strip() in ("make", "gmake"):
        follow_parent(signal.SIGTERM)  # if make itself is killed, nothing else would stop this process
    _stop_on_signals()
    try:
        Launcher(Options.read(os.environ), os.environ).run()
    except PartError as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    except OSError as error:
        print(f"Deskhand cannot start: {error.strerror or error} ({error.filename}).", file=sys.stderr, flush=True)
        return 1
    except Stopping:
        say("Stopped.")
    return 0


def _stop_on_signals() -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopping

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup make up
        signal.signal(signal.SIGHUP, stop)


if __name__ == "__main__":
    sys.exit(main())
