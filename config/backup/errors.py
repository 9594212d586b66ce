from __future__ import annotations


class BackupError(Exception):
    """A backup or restore cannot be made. The message is one sentence for the person at the terminal."""
