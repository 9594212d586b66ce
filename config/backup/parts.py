"""Services for a backup or a restore: those that already run, else ours, started for its duration."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from config.backup import manifest
from config.embedded import PartError, Services
from config.embedded.services import InUse
from config.launch.options import Options

sets_secret = True
"""True if the signing key is in the data folder and not in a variable of the operator."""


@contextmanager
def reachable(arguments: Sequence[str]) -> Iterator[None]:
    """Set the variables that Django's settings need for `manage.py backup` or `manage.py restore`.

    A backup uses the running services or, if nothing runs, starts those of the folder. A restore needs everything
    stopped.
    """
    command, folder = arguments[0], next((word for word in arguments[1:] if not word.startswith("-")), "")
    if not folder or {"-h", "--help"} & set(arguments):
        os.environ |= {name: os.environ.get(name, "x") for name in ("SECRET_KEY", "DATABASE_URL", "REDIS_URL")}
        yield
        return
    if command == "restore":
        manifest.verified(Path(folder).resolve())  # before anything is created
    options = Options.read(os.environ)
    services = _stopped(options, is_restore=command == "restore")
    if services is None:
        yield
        return
    with _ending_on_sigterm():
        try:
            services.start()
            _enter(services)
            yield
        finally:
            services.stop()


def _stopped(options: Options, *, is_restore: bool) -> Services | None:
    """Return the services of the folder, or None if a launcher runs them."""
    has_data = (options.home / "pg").exists()
    if not is_restore and "postgres" in options.embedded and not has_data:
        raise PartError(f"There is no installation in {options.home}: name its folder in DESKHAND_VAR.")
    try:
        return Services(options.home, only=options.embedded)
    except InUse:
        if is_restore:
            raise PartError(f"Deskhand runs on {options.home}: stop it, then restore.") from None
        if not (options.home / "env").exists():
            raise PartError(f"Deskhand is just starting or stopping on {options.home}: try again.") from None
        return None


def _enter(services: Services) -> None:
    global sets_secret
    sets_secret = not os.environ.get("SECRET_KEY")
    found = {**services.env, "DESKHAND_VAR": str(services.home), "SECRET_KEY": services.keys["secret_key"]}
    for name, value in found.items():
        if not os.environ.get(name):
            os.environ[name] = value


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM into KeyboardInterrupt, so that services are stopped and half-written files deleted."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
