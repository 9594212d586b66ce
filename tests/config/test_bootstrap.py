"""Bootstrap on a fresh machine: installs the lock file once, and explains failures in one sentence."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from config import bootstrap

ROOT = Path(__file__).resolve().parents[2]


def wheel(folder: Path, name: str, tags: str = "py3-none-any") -> str:
    """Write a package of one module; return its line for a lock file."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-1.0-{tags}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", f"name = '{name}'\n")
        archive.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{name}-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tags}\n")
        archive.writestr(f"{name}-1.0.dist-info/RECORD", "")
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def clone(folder: Path) -> Path:
    (folder / "config").mkdir(parents=True)
    (folder / "requirements").mkdir()
    shutil.copy(ROOT / "config" / "bootstrap.py", folder / "config")
    (folder / "requirements" / "local.txt").write_text(wheel(folder / "wheels", "hello"))
    return folder


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Clone after its first start, which is slow."""
    folder = clone(tmp_path_factory.mktemp("bootstrap") / "clone")
    return folder, run(folder, "-c", "import hello; print(hello.name)")


@pytest.fixture
def checkout(installed, tmp_path) -> Path:
    """Clone with a virtual environment, but without an installed lock."""
    folder, _ = installed
    shutil.copytree(folder, tmp_path / "clone", symlinks=True)
    for stamp in (tmp_path / "clone" / ".venv").glob(".local-*"):
        stamp.unlink()
    return tmp_path / "clone"


def run(checkout: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(checkout / "config" / "bootstrap.py"), "local", *command],
        capture_output=True,
        text=True,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(checkout),
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(checkout / "wheels"),
        }
        | environment,
    )


def test_the_first_start_installs_and_the_second_goes_straight_on(installed):
    folder, first = installed

    second = run(folder, "-c", "import hello; print(hello.name)")

    assert "Installing 1 packages (first time only)" in first.stdout
    assert first.stdout.splitlines()[-1] == "hello"
    assert second.stdout == "hello\n"
    assert (first.returncode, second.returncode) == (0, 0)


def test_a_changed_lock_installs_what_is_new(checkout):
    run(checkout, "-c", "")
    with (checkout / "requirements" / "local.txt").open("a") as lock:
        lock.write(wheel(checkout / "wheels", "world"))

    done = run(checkout, "-c", "import hello, world; print(world.name)")

    assert done.stdout.splitlines()[-1] == "world"


def test_a_virtual_environment_left_half_made_is_made_again(checkout):
    shutil.rmtree(next((checkout / ".venv" / "lib").glob("python3*")) / "site-packages" / "pip")

    done = run(checkout, "-c", "import hello; print(hello.name)")

    assert done.stdout.splitlines()[-1] == "hello"


def test_a_download_with_another_hash_is_refused(checkout):
    wheel(checkout / "wheels", "world")
    (checkout / "requirements" / "local.txt").write_text(f"world==1.0 --hash=sha256:{'0' * 64}\n")

    done = run(checkout, "-c", "print('never')")

    assert done.returncode == 1
    assert done.stderr.startswith("The packages cannot be installed: a download is not the file")
    assert (len(done.stderr.splitlines()), "never" in done.stdout) == (1, False)


def test_a_package_without_a_wheel_for_this_machine_is_named(checkout):
    line = wheel(checkout / "wheels", "elsewhere", tags="cp27-cp27m-win32")
    (checkout / "requirements" / "local.txt").write_text(line)

    done = run(checkout, "-c", "print('never')")

    assert done.returncode == 1
    assert "there is no ready-made package elsewhere==1.0 for" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_no_network_is_said_in_one_sentence(checkout):
    (checkout / "requirements" / "local.txt").write_text(wheel(checkout / "wheels", "world"))
    nowhere = {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_FIND_LINKS": ""}

    done = run(checkout, "-c", "print('never')", **nowhere)

    assert done.returncode == 1
    assert "the package index cannot be reached" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_python_that_is_too_old_is_named(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(shutil, "which", lambda name: None)

    with pytest.raises(bootstrap.Stopped, match=r"needs Python 3.11 or newer and this is 3.9.2"):
        bootstrap._use_a_new_enough_python()


def test_a_missing_venv_module_is_named(tmp_path):
    """Debian without python3-venv has the module, which then prints this."""
    folder = clone(tmp_path / "clone")
    (folder / "stub").mkdir()
    says = "The virtual environment was not created successfully because ensurepip is not available."
    (folder / "stub" / "venv.py").write_text(f"import sys\nsys.exit({says!r})\n")

    done = run(folder, "-c", "print('never')", PYTHONPATH=str(folder / "stub"))

    assert done.returncode == 1
    assert "Python's venv module is not complete" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full."),
        ("error: Failed to fetch: `https://example/simple/amqp/`", "the package index cannot be reached"),
        ("ERROR: No matching distribution found for duckdb==2.0.0", "there is no ready-made package duckdb==2.0.0"),
        ("first\nsomething nobody has seen", "something nobody has seen"),
        ("", "it said nothing."),
    ],
)
def test_what_an_installer_prints_becomes_one_sentence(output, sentence):
    assert sentence in bootstrap.explain(output)
    assert "\n" not in bootstrap.explain(output)
