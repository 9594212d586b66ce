"""Icons of static/dist/sprite.svg, by name."""

from __future__ import annotations

import re
from functools import cache

from django.conf import settings
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

UNKNOWN = "bot"


@cache
def names() -> frozenset[str]:
    sprite = (settings.BASE_DIR / "static" / "dist" / "sprite.svg").read_text()
    return frozenset(re.findall(r'<symbol id="i-([a-z0-9-]+)"', sprite))


def draw(name: str, css: str = "") -> SafeString:
    """Draw a decorative icon; an icon-only button carries `aria-label` itself. An unknown name shows as an agent."""
    known = name if name in names() else UNKNOWN
    return format_html(
        '<svg class="icon{}" aria-hidden="true"><use href="{}#i-{}"/></svg>',
        f" {css}" if css else "",
        static("sprite.svg"),
        known,
    )
