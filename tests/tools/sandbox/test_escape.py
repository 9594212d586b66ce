"""Escapes: code that really runs and tries to see or reach the outside. Each attempt must fail inside."""

# ruff: noqa: S108

from __future__ import annotations

import ast
import json
import os
import socket
from contextlib import suppress
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import psutil
import pytest
from django.conf import settings

from tests.tools.sandbox.conftest import Run

TRY = """
import json
def attempt():
{body}
try:
    print(json.dumps(["got", repr(attempt())]))
except BaseException as problem:
    print(json.dumps(["failed", type(problem).__name__, str(problem)]))
"""


def attempt(run: Run, body: str, **more: Any) -> list[str]:
    outcome = run(TRY.format(body=indent(dedent(body).strip(), "    ")), **more)
    assert outcome.exit_code == 0, outcome
    answer: list[str] = json.loads(outcome.stdout)
    return answer


def test_the_environment_of_the_worker_is_nowhere(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-canary")

    outcome = run(
        """
        import glob, os
        print(dict(os.environ))
        for path in glob.glob("/proc/[0-9]*/environ"):
            print(path, open(path).read())
        """
    )

    assert outcome.exit_code == 0
    assert "/proc/1/environ" in outcome.stdout
    assert "canary" not in outcome.stdout
    assert "DATABASE_URL" not in outcome.stdout
    assert "SECRET_KEY" not in outcome.stdout


def test_no_process_of_the_machine_is_seen(run: Run) -> None:
    outcome = run("import os; print(*sorted(int(p) for p in os.listdir('/proc') if p.isdigit()))")

    pids = [int(pid) for pid in outcome.stdout.split()]
    assert pids[0] == 1
    assert len(pids) <= 4
    assert os.getpid() not in pids


@pytest.mark.parametrize(
    "path",
    [
        str(Path(__file__)),
        str(settings.BASE_DIR / "manage.py"),
        str(settings.BASE_DIR),
        pytest.param(str(settings.VAR_DIR), id="the data folder"),
        "/etc/passwd",
        "/etc/shadow",
        "/home",
        "/root/.ssh",
        "/var/log",
        "/sys/kernel",
        "/work/..",
    ],
)
def test_files_of_the_worker_are_not_there(run: Run, path: str) -> None:
    answer = attempt(
        run, f"import os\nreturn sorted(os.listdir({path!r})) if os.path.isdir({path!r}) else open({path!r}).read()"
    )

    if path == "/work/..":
        assert set(ast.literal_eval(answer[1])) <= {
            "bin", "dev", "etc", "lib", "lib32", "lib64", "opt", "proc", "root", "sbin", "tmp", "usr", "work", "home",
        }  # fmt: skip
    else:
        assert answer[0] == "failed"
        assert answer[1] == "FileNotFoundError"


def test_loopback_of_the_machine_is_not_reached(run: Run) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.2)
    port = listener.getsockname()[1]

    answer = attempt(run, f"import socket\nreturn socket.create_connection(('127.0.0.1', {port}), timeout=2)")

    assert answer[:2] in (["failed", "OSError"], ["failed", "ConnectionRefusedError"])
    with pytest.raises(TimeoutError):
        listener.accept()
    listener.close()


@pytest.mark.parametrize(
    "body",
    [
        "import socket\nreturn socket.create_connection(('1.1.1.1', 53), timeout=2)",
        "import socket\nreturn socket.getaddrinfo('example.com', 80)",
        "import socket\nreturn socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('1.1.1.1', 53))",
        "import socket\nreturn socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)",
        "import socket\nreturn socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)",
        "import socket\nreturn socket.socket(40, socket.SOCK_STREAM, 0)",
        "import socket\nreturn socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
    ],
    ids=["tcp", "dns", "udp", "netlink", "packet", "vsock", "raw"],
)
def test_no_network_is_reached(run: Run, body: str) -> None:
    assert attempt(run, body)[0] == "failed"


def test_unix_sockets_of_the_machine_are_not_reached(run: Run, tmp_path: Path) -> None:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "s"))
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0deskhand-test-{os.getpid()}")
    for each in (server, abstract):
        each.listen()

    for name in (str(tmp_path / "s"), f"\0deskhand-test-{os.getpid()}"):
        answer = attempt(run, f"import socket\nreturn socket.socket(socket.AF_UNIX).connect({name!r})")
        assert answer[0] == "failed"
        assert answer[1] in {"FileNotFoundError", "ConnectionRefusedError"}
    server.close()
    abstract.close()


@pytest.mark.parametrize(
    ("call", "numbers"),
    [
        ("unshare", "(272, 0x10000000)"),
        ("mount", "(165, b'none', b'/work', b'tmpfs', 0, 0)"),
        ("ptrace", "(101, 0, 0, 0, 0)"),
        ("keyctl", "(250, 0, 0)"),
        ("bpf", "(321, 0, 0, 0)"),
        ("io_uring_setup", "(425, 1, 0)"),
        ("userfaultfd", "(323, 0)"),
        ("perf_event_open", "(298, 0, 0, 0, 0, 0)"),
        ("memfd_create", "(319, b'x', 0)"),
        ("shmget", "(29, 0, 4096, 0o1600)"),
        ("clone with a new user namespace", "(56, 0x10000000 | 17, 0, 0, 0, 0)"),
        ("setns", "(308, 0, 0)"),
        ("open_by_handle_at", "(304, 0, 0, 0)"),
    ],
)
def test_dangerous_system_calls_are_refused(run: Run, call: str, numbers: str) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers are those of x86_64")
    answer = attempt(
        run,
        f"""
        import ctypes, errno
        libc = ctypes.CDLL(None, use_errno=True)
        result = libc.syscall(*{numbers})
        return result, errno.errorcode.get(ctypes.get_errno())
        """,
    )

    assert answer == ["got", "(-1, 'EPERM')"]


def test_clone3_and_the_32_bit_way_in_are_closed(run: Run) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers are those of x86_64")
    code = """
        import ctypes, errno
        libc = ctypes.CDLL(None, use_errno=True)
        return libc.syscall({}, 0, 0), errno.errorcode[ctypes.get_errno()]
        """

    assert attempt(run, code.format(435)) == ["got", "(-1, 'ENOSYS')"]
    assert attempt(run, code.format(0x40000000 + 39)) == ["got", "(-1, 'ENOSYS')"]


@pytest.mark.parametrize(
    "path",
    [
        "/x",
        "/usr/x",
        "/etc/x",
        "/opt/x",
        "/opt/driver.py",
        "/opt/packages/x",
        "/dev/x",
        "/dev/shm/x",
        "/proc/sys/kernel/hostname",
    ],
)
def test_only_the_work_and_temporary_folders_can_be_written(run: Run, path: str) -> None:
    answer = attempt(run, f"return open({path!r}, 'w').write('x' * 100)")

    assert answer[0] == "failed"
    assert answer[1] in {"OSError", "PermissionError", "FileNotFoundError"}


def test_nobody_becomes_root_or_gets_rights_back(run: Run) -> None:
    outcome = run(
        """
        import os, re
        status = open("/proc/self/status").read()
        print(*re.findall(r"^(?:Uid|CapEff|CapPrm|CapBnd|NoNewPrivs|Seccomp):\\s+(\\S+)", status, re.M))
        try:
            os.setuid(0)
        except PermissionError as problem:
            print(problem)
        """
    )

    assert outcome.stdout.split("\n")[:2] == [
        "1000 0000000000000000 0000000000000000 0000000000000000 1 2",
        "[Errno 1] Operation not permitted",
    ] or outcome.stdout.split("\n")[0].startswith("1000 0000000000000000 0000000000000000")


def test_the_uid_outside_is_not_the_workers(run: Run) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give the sandbox a user of its own")
    seen: set[int] = set()

    def look() -> bool:
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                if "/opt/driver.py" in process.cmdline()[-2:]:
                    seen.add(process.uids().real)
        return False

    run("import time; time.sleep(0.5)", cancelled=look)

    assert len(seen) == 1
    assert 64_100 <= seen.pop() < 64_164
