"""Settings with real-life values: keys that begin with `$`, passwords of any characters, invalid addresses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import environ
import pytest

from config import url_settings
from config.launch.launcher import _quoted
from tests.faults.installation import ROOT

PLAIN = {
    "SECRET_KEY": "key",
    "DATABASE_URL": "postgres://deskhand@postgres:5432/deskhand",
    "REDIS_URL": "redis://valkey:6379",
}
ANY = "$p/a?s#s@w%41:d$x\"'`\\"
SHOWN = """
import json
from config import settings as s
apps = {name: app["APPS"][0] for name, app in s.SOCIALACCOUNT_PROVIDERS.items() if app["APPS"]}
print(json.dumps({
    "SECRET_KEY": s.SECRET_KEY, "DATABASE_PASSWORD": s.DATABASES["default"]["PASSWORD"],
    "S3_ACCESS_KEY_ID": s._S3_OPTIONS["access_key"], "S3_SECRET_ACCESS_KEY": s._S3_OPTIONS["secret_key"],
    "ANTHROPIC_API_KEY": s.ANTHROPIC_API_KEY, "DESKHAND_ENCRYPTION_KEYS": ",".join(s.ENCRYPTION_KEYS),
    "GOOGLE_CLIENT_ID": apps.get("google", {}).get("client_id"),
    "GOOGLE_CLIENT_SECRET": apps.get("google", {}).get("secret"),
    "GITHUB_CLIENT_ID": apps.get("github", {}).get("client_id"),
    "GITHUB_CLIENT_SECRET": apps.get("github", {}).get("secret"),
    "HOST": s.DATABASES["default"]["HOST"], "USER": s.DATABASES["default"]["USER"],
}))
"""
SECRETS = (
    *("SECRET_KEY", "DATABASE_PASSWORD", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "ANTHROPIC_API_KEY"),
    *(
        "DESKHAND_ENCRYPTION_KEYS",
        "GOOGLE_CLIENT_ID",
        "GOOGLE_CLIENT_SECRET",
        "GITHUB_CLIENT_ID",
        "GITHUB_CLIENT_SECRET",
    ),
)


def read(tmp_path: Path, given: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """Read the settings from exactly these variables; return them and the error output."""
    environment = {"PATH": os.environ["PATH"], "DESKHAND_VAR": str(tmp_path), **PLAIN, **given}
    done = subprocess.run([sys.executable, "-c", SHOWN], cwd=ROOT, env=environment, capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else {}, done.stderr


def test_every_secret_is_taken_as_it_stands(tmp_path: Path) -> None:
    found, output = read(tmp_path, dict.fromkeys(SECRETS, ANY))

    assert {name: found.get(name) for name in SECRETS} == dict.fromkeys(SECRETS, ANY), output
    assert (found["HOST"], found["USER"]) == ("postgres", "deskhand")


def test_what_a_launcher_writes_for_terminals_reads_the_same_in_the_settings_and_in_a_shell(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("".join(f"{name}={_quoted(ANY)}\n" for name in SECRETS))

    found, output = read(tmp_path, {"SECRET_KEY": ANY})
    shell = subprocess.run(
        ["sh", "-c", f'. {tmp_path}/env; printf %s "$S3_SECRET_ACCESS_KEY"'], capture_output=True, text=True
    )

    assert {name: found.get(name) for name in SECRETS} == dict.fromkeys(SECRETS, ANY), output
    assert shell.stdout == ANY


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "postgres://deskhand:se/cret@postgres:5432/deskhand"),
        ("DATABASE_URL", "postgres://deskhand:12/se?cret@postgres:5432/deskhand"),
        ("DATABASE_URL", "postgres://deskhand:se#cret@postgres:5432/deskhand"),
        ("DATABASE_URL", "postgres://deskhand:se?cret@postgres:5432/deskhand"),
        ("DATABASE_URL", "postgres://deskhand:/secret@postgres/deskhand"),
        ("REDIS_URL", "redis://:se/cret@valkey:6379"),
        ("EMAIL_URL", "smtp+tls://me@example.com:se#cret@mail.example.com:587"),
    ],
)
def test_an_address_with_a_raw_password_is_refused_without_showing_it(tmp_path: Path, name: str, url: str) -> None:
    found, output = read(tmp_path, {name: url})

    assert found == {}
    last = output.strip().splitlines()[-1]
    assert f"ImproperlyConfigured: {name} cannot be read: in its password, write / as %2F" in last
    assert ("DATABASE_PASSWORD" in last) is (name == "DATABASE_URL")
    assert "cret" not in output


@pytest.mark.parametrize(
    "given",
    [
        {"DATABASE_URL": "postgres://deskhand:se%2Fcret%3F@postgres:5432/deskhand"},
        {"DATABASE_URL": "postgres://deskhand:pass@one:5432,two:5432/deskhand"},
        {"DATABASE_URL": "postgres:///deskhand"},
        {"DATABASE_URL": "postgres://deskhand:p@ss@postgres/deskhand?sslmode=require"},
        {"EMAIL_URL": "smtp+tls://me@example.com:secret@mail.example.com:587"},
        {"REDIS_URL": "redis://:secret@127.0.0.1:6379/"},
        {"BASE_URL": "https://desk.example.com"},
        {"BASE_URL": "https://desk.example.com:8443/"},
        {"BASE_URL": "http://[::1]:8000"},
    ],
)
def test_what_works_is_not_refused(given: dict[str, str]) -> None:
    assert url_settings.fault_in(given) is None


@pytest.mark.parametrize(
    ("url", "output"),
    [
        ("https://tools.example.com/desk", "Deskhand cannot live below a path"),
        ("https://tools.example.com/?team=1", "Deskhand cannot live below a path"),
        ("desk.example.com", "BASE_URL must be an address such as https://desk.example.com"),
        ("ftp://desk.example.com", "BASE_URL must be an address such as"),
        ("https://", "BASE_URL must be an address such as"),
        ("https://desk.example.com:port", "BASE_URL must be an address such as"),
    ],
)
def test_a_base_url_that_cannot_work_is_refused_in_a_sentence(tmp_path: Path, url: str, output: str) -> None:
    found, words = read(tmp_path, {"BASE_URL": url})

    assert found == {}
    assert output in words.strip().splitlines()[-1]


def test_the_libraries_own_reader_takes_a_key_for_the_name_of_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reason why the settings have a reader of their own. When the test fails, the reader can go."""
    monkeypatch.setenv("SECRET_KEY", "$ecret")

    with pytest.raises(environ.ImproperlyConfigured):
        environ.Env().str("SECRET_KEY")
