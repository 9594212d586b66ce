"""Fonts for the characters of a chart: DejaVu first, then the machine's fonts for other scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from matplotlib import font_manager
from matplotlib.font_manager import FontEntry

BASE = "DejaVu Sans"
_PREFERRED = ("Noto Sans CJK JP", "Noto Sans CJK SC", "WenQuanYi Zen Hei", "Noto Sans Arabic", "Noto Sans Devanagari")
_MAX_TRIED = 200
"""Font families that are searched for characters."""
# Fonts that claim characters which they draw as boxes or as other signs.
_MISLEADING = re.compile(r"Last Resort|STIX(Size|Non)|cm[a-z]+\d+$")
_REGULAR = {"normal", "regular", "book", 400}


def choose(text: str) -> tuple[list[str], str]:
    """Return families that together have the characters of the text, and the characters that none has."""
    missing = {character for character in text if character.isprintable() and not character.isspace()}
    families: list[str] = []
    for entry in _entries():
        if families and not missing:
            break
        found = missing & _characters(entry.fname)
        if found or not families:
            families.append(entry.name)
            missing -= found
    return families, "".join(sorted(missing))


def _entries() -> Iterator[FontEntry]:
    """Yield one regular font of each family. The base comes first, then the preferred ones, then the others by name."""
    order = {name: place for place, name in enumerate((BASE, *_PREFERRED))}
    regular = [
        entry for entry in font_manager.fontManager.ttflist if entry.style == "normal" and entry.weight in _REGULAR
    ]
    regular.sort(key=lambda entry: (order.get(entry.name, len(order)), entry.name, entry.fname))
    names: set[str] = set()
    for entry in regular:
        if entry.name not in names and len(names) < _MAX_TRIED and not _MISLEADING.match(entry.name):
            names.add(entry.name)
            yield entry


@lru_cache(maxsize=_MAX_TRIED)
def _characters(path: str) -> frozenset[str]:
    try:
        return frozenset(map(chr, font_manager.get_font(path).get_charmap()))
    except (OSError, RuntimeError):  # a font that FreeType cannot read
        return frozenset()
