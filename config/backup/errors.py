from __future__ import annotations


class BackupError(Exception):
    """One sentence for the person at the terminal: why there is no backup, or why nothing was restored."""
