from __future__ import annotations


class PartError(Exception):
    """A service does not work. The message is one sentence for the person at the terminal, with advice."""
