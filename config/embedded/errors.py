from __future__ import annotations


class PartError(Exception):
    """One sentence for the person at the terminal: what does not work, and what to do about it."""
