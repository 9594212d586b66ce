"""Contrast of every pair of colours in use: WCAG 2.2 AA, in both themes."""

from __future__ import annotations

import math
import re

import pytest
from django.conf import settings

TEXT = 4.5
SHAPE = 3.0
GROUNDS = ("canvas", "surface", "sunken", "hover")
PAIRS = [(text, ground, TEXT) for text in ("ink", "ink2", "ink3", "accent-ink") for ground in GROUNDS]
PAIRS += [(f"{tone}-ink", f"{tone}-soft", TEXT) for tone in ("accent", "human", "ok", "bad")]
PAIRS += [(f"{tone}-ink", ground, TEXT) for tone in ("ok", "bad") for ground in ("surface", "canvas", "sunken")]
PAIRS += [("human-ink", ground, TEXT) for ground in ("surface", "canvas")]
PAIRS += [("ink2", f"{tone}-soft", TEXT) for tone in ("accent", "human", "ok", "bad")]
PAIRS += [("ink3", "accent-soft", TEXT), ("ink3", "human-soft", TEXT), ("ink", "human-soft", TEXT)]
PAIRS += [("on-accent", "accent", TEXT), ("on-accent", "accent-hover", TEXT), ("on-human", "human", TEXT)]
PAIRS += [("on-bad", "bad", TEXT), ("on-bad", "bad-hover", TEXT)]
PAIRS += [("line-control", "surface", SHAPE), ("line-control", "canvas", SHAPE), ("accent", "surface", SHAPE)]
PAIRS += [("accent", "sunken", SHAPE), ("ok", "surface", SHAPE), ("bad", "surface", SHAPE)]


def _themes() -> dict[str, dict[str, float]]:
    """Return the luminance of every token of both themes."""
    source = (settings.BASE_DIR / "static/src/css/tokens.css").read_text()
    light, dark = source.split("@variant dark")
    found = {}
    for name, part in (("light", light), ("dark", dark)):
        tokens = re.findall(r"--([a-z0-9-]+): oklch\(([0-9.]+) ([0-9.]+) ([0-9.]+)\)", part)
        found[name] = {token: _luminance(float(lightness), float(c), float(h)) for token, lightness, c, h in tokens}
    return found


def _luminance(lightness: float, chroma: float, hue: float) -> float:
    """Return the relative luminance of an OKLCH colour, clipped to sRGB as browsers do."""
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short
    red, green, blue = (min(max(value, 0.0), 1.0) for value in (red, green, blue))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


THEMES = _themes()


@pytest.mark.parametrize("theme", THEMES)
def test_every_token_is_in_both_themes(theme):
    assert THEMES[theme].keys() == THEMES["light"].keys()
    assert len(THEMES[theme]) > 25


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground", "least"), PAIRS)
def test_contrast(theme, text, ground, least):
    bright, dim = sorted((THEMES[theme][text], THEMES[theme][ground]), reverse=True)

    assert (bright + 0.05) / (dim + 0.05) >= least
