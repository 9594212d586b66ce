"""Make `.venv` hold exactly what a lock file names, then exec the command that needs it.

    python3 config/bootstrap.py local -m config.up

Only the standard library, and nothing else of this project: it runs before anything is installed. An installed lock
file leaves a stamp with its hash, so that later starts skip the installation. Every failure on a newcomer's machine
ends in one sentence and a non-zero exit.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOG = VENV / "install.log"
OLDEST = (3, 11)

# Installer output → explanation for the person. The first match wins.
REASONS = [
    (r"No space left on device", "the disk is full."),
    (
        r"DO NOT MATCH THE HASHES|[Hh]ash mismatch",
        "a download is not the file that the requirements name (its hash differs). Try again; if it stays, tell us.",
    ),
    (
        r"(?i)failed to establish a new connection|name resolution|name or service not known|dns error|unreachable"
        r"|connection refused|failed to connect|error sending request|timed out|proxyerror|failed to fetch",
        "the package index cannot be reached. Check the network (or pip's index settings) and run it again.",
    ),
    (
        r"No matching distribution found for (\S+)|(\S+) (?:was|were) not found in the package registry"
        r"|Because (\S+) has no wheels",
        "there is no ready-made package {0} for {machine}. "
        "Linux and macOS on x86-64 or arm64, with Python 3.11 to 3.14, have one.",
    ),
    (r"Permission denied|Read-only file system", f"{VENV} cannot be written to."),
]


class Stopped(Exception):
    """The installation cannot continue. The message is one sentence for the person."""


def main(arguments: list[str]) -> None:
    lock, *command = arguments
    _use_a_new_enough_python()
    stamp = VENV / f".{lock}-{_fingerprint(lock)}"
    if not stamp.exists() or not os.access(PYTHON, os.X_OK):
        with _OneAtATime():
            if not stamp.exists() or not os.access(PYTHON, os.X_OK):
                _make_venv()
                _install(lock)
                stamp.touch()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    os.chdir(ROOT)
    os.execve(PYTHON, [str(PYTHON), *command], environment)


def explain(output: str) -> str:
    """Return one sentence that explains an installer's output."""
    for pattern, sentence in REASONS:
        if found := re.search(pattern, output):
            name = next((group for group in found.groups() if group), "")
            return sentence.format(name, machine=f"{platform.system()} {platform.machine()}, Python {_version()}")
    lines = output.strip().splitlines() or ["it said nothing."]
    return f"{lines[-1].strip()} (all of it is in {LOG})"


def _use_a_new_enough_python() -> None:
    if sys.version_info >= OLDEST:
        return
    for minor in (14, 13, 12, 11):
        if newer := shutil.which(f"python3.{minor}"):
            os.execv(newer, [newer, *sys.argv])
    raise Stopped(f"Deskhand needs Python 3.11 or newer and this is {_version()}: install one and run it again.")


def _fingerprint(lock: str) -> str:
    content = (ROOT / "requirements" / f"{lock}.txt").read_bytes()
    return hashlib.sha256(content).hexdigest()[:16]


class _OneAtATime:
    """Lock that keeps two commands in a fresh clone from installing at once."""

    def __enter__(self) -> None:
        self.folder = os.open(ROOT, os.O_RDONLY)
        try:
            fcntl.flock(self.folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("Another command is installing; waiting for it …")
            fcntl.flock(self.folder, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self.folder)


def _make_venv() -> None:
    """Make a virtual environment with pip; replace one that an aborted start left incomplete."""
    if os.access(PYTHON, os.X_OK) and _run([PYTHON, "-m", "pip", "--version"])[0] == 0:
        return
    _say(f"Making {VENV.relative_to(ROOT)} with Python {_version()} …")
    failed, output = _run([sys.executable, "-m", "venv", "--clear", VENV])
    if not failed:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    if "ensurepip" in output or "No module named" in output:
        raise Stopped(
            "Python's venv module is not complete on this machine: "
            f"install it (Debian, Ubuntu: apt-get install python{_version(2)}-venv) and run it again."
        )
    raise Stopped(f"The virtual environment cannot be made: {explain(output)}")


def _install(lock: str) -> None:
    """Install the lock file. pip fetches the locked uv, which does the rest in a tenth of the time; without uv, pip
    does it all.
    """
    path = ROOT / "requirements" / f"{lock}.txt"
    text = path.read_text()
    pinned = re.findall(r"(?m)^[A-Za-z0-9._-]+==", text)
    _say(f"Installing {len(pinned)} packages (first time only) …")
    started = time.monotonic()
    options = ["install", "--require-hashes", "--only-binary", ":all:"]
    pip: list[str | Path] = [
        PYTHON,
        "-m",
        "pip",
        "--disable-pip-version-check",
        *options,
        "--no-input",
        "--retries",
        "2",
    ]
    failed = True
    if uv := re.search(r"(?m)^uv==.*(?:\n[ \t].*)*", text):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as only_uv:
            only_uv.write(uv.group() + "\n")
            only_uv.flush()
            _must([*pip, "-r", only_uv.name])
        failed = bool(_run([PYTHON, "-m", "uv", "pip", *options, "-r", path, "--python", PYTHON], _uv_settings())[0])
    if failed:
        _must([*pip, "-r", path])
    _say(f"Installed in {time.monotonic() - started:.0f} s.")


def _uv_settings() -> dict[str, str]:
    """Return pip's index settings as uv's, because uv does not read them: a mirror set for pip serves both."""
    listed = _run([PYTHON, "-m", "pip", "config", "list"])[1]
    given = dict(re.findall(r"(?m)^(?:global|install|:env:)\.([a-z-]+)='(.*)'$", listed))
    names = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "find-links": "UV_FIND_LINKS"}
    names |= {"cert": "SSL_CERT_FILE", "no-index": "UV_NO_INDEX"}
    settings = {ours: given[theirs].replace("\\n", " ") for theirs, ours in names.items() if given.get(theirs)}
    home = Path(os.environ.get("HOME") or "/nonexistent")
    if not os.access(home, os.W_OK):
        settings["UV_NO_CACHE"] = "1"
    return {**settings, "UV_INDEX_STRATEGY": "unsafe-best-match", "UV_NO_PROGRESS": "1"}


def _must(command: list[str | Path]) -> None:
    failed, output = _run(command)
    if failed:
        raise Stopped(f"The packages cannot be installed: {explain(output)}")


def _run(command: list[str | Path], extra: dict[str, str] | None = None) -> tuple[int, str]:
    """Run a command; return its exit code and output. Prints progress while it runs."""
    with tempfile.TemporaryFile("w+") as output:
        environment = {**os.environ, **(extra or {})}
        process = subprocess.Popen(
            [str(word) for word in command],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment,
        )
        started = time.monotonic()
        while True:
            try:
                process.wait(15)
                break
            except subprocess.TimeoutExpired:
                _say(f"… still at it after {time.monotonic() - started:.0f} s")
        output.seek(0)
        text = output.read()
    if VENV.is_dir() and os.access(VENV, os.W_OK):
        with LOG.open("a") as log:
            log.write(f"$ {' '.join(map(str, command))}\n{text}\n")
    return process.returncode, text


def _version(parts: int = 3) -> str:
    return ".".join(map(str, sys.version_info[:parts]))


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.path.pop(0)  # this folder has modules named like installed packages (celery)
    try:
        main(sys.argv[1:])
    except Stopped as stopped:
        sys.exit(str(stopped))
    except OSError as error:
        sys.exit(f"{error.filename or 'A file'} cannot be used: {error.strerror}.")
    except KeyboardInterrupt:
        sys.exit("Stopped.")
