"""Permissions of mails that are written to files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.mail import send_mail


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """Mail folder of an account with a umask of 0."""
    settings.EMAIL_BACKEND, settings.EMAIL_FILE_PATH = "accounts.mail_files.EmailBackend", tmp_path / "mail"
    before = os.umask(0)
    yield tmp_path / "mail"
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_folder_and_file_are_private(folder: Path) -> None:
    send_mail("Reset", "https://desk.example.com/accounts/password/reset/key/1-2/", None, ["grace@example.com"])

    (written,) = folder.iterdir()
    assert (mode(folder), mode(written)) == (0o700, 0o600)
    assert b"/accounts/password/reset/key/" in written.read_bytes()


def test_a_folder_that_was_open_is_closed(folder: Path) -> None:
    folder.mkdir(mode=0o777)

    send_mail("Reset", "…", None, ["grace@example.com"])

    assert mode(folder) == 0o700


def test_deskhand_uses_it() -> None:
    from config import settings as product

    assert product.EMAIL_BACKEND == "accounts.mail_files.EmailBackend" or "EMAIL_URL" in os.environ
