"""File backend for mail, readable only by the account that runs Deskhand: mails hold sign-in links."""

from __future__ import annotations

import os
from typing import Any

from django.core.mail.backends import filebased


class EmailBackend(filebased.EmailBackend):
    """Django's file backend with private permissions.

    The folder has mode 0700, also an existing one; files have 0600.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        os.chmod(self.file_path, 0o700)

    def open(self) -> bool:
        backend: Any = self  # the stubs have neither its bytes nor its file name
        is_new: bool = backend.stream is None
        if is_new:
            backend.stream = open(backend._get_filename(), "ab", opener=_private)  # noqa: SIM115 - closed by close()
        return is_new


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
