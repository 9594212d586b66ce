"""Step between the worker and bubblewrap, in a process of its own.

It drops all privileges, then becomes bubblewrap. Started as `python -I -S launch.py JSON RESULT_FD`. The environment
must be empty before bubblewrap starts (its --clearenv leaves the worker's in /proc/1/environ). And the sandbox's user
may not be allowed to read this Python's folder: while still root, the needed folders are mounted where everybody can
read them, in a mount namespace of our own.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys

_STAGE = "/mnt"
_CLONE_NEWNS = 0x20000
_MS_NOSUID, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x2, 0x1000, 0x4000, 0x40000


def main() -> None:
    what = json.loads(sys.argv[1])
    program = os.open(what["program"], os.O_PATH)
    folders = what["folders"]
    if what["user"] is not None:
        folders = _staged(folders)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)
    if what["user"] is not None:
        os.setgroups([])
        os.setresgid(what["user"], what["user"], what["user"])
        os.setresuid(what["user"], what["user"], what["user"])
    argv = [folders[int(part[1:])] if part.startswith("\0") else part for part in what["argv"]]
    os.execve(program, [*argv, *sys.argv[2:]], {})  # noqa: S606


def _staged(folders: list[str]) -> list[str]:
    """Mount the folders where every user can read them and return the new paths.

    Returns them unchanged where root may not mount.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0:
        return folders
    opened = [os.open(folder, os.O_PATH) for folder in folders]  # opened before the new mount can cover one of them
    _mount(libc, "none", "/", "", _MS_REC | _MS_PRIVATE, "")
    _mount(libc, "tmpfs", _STAGE, "tmpfs", _MS_NOSUID, "mode=0755,size=64k")
    staged = []
    for number, source in enumerate(opened):
        target = f"{_STAGE}/{number}"
        os.mkdir(target, 0o755)
        _mount(libc, f"/proc/self/fd/{source}", target, "", _MS_BIND | _MS_REC, "")
        os.close(source)
        staged.append(target)
    return staged


def _mount(libc: ctypes.CDLL, source: str, target: str, kind: str, flags: int, data: str) -> None:
    if libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


if __name__ == "__main__":
    main()
