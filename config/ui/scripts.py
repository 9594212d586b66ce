"""JavaScript of a page: one entry module under static/dist/js/pages/, and its imports."""

from __future__ import annotations

import posixpath
import re
from functools import cache
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.template import Context
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

IMPORT = re.compile(r"""^(?:import|export)\b[^"';]*["'](\.[^"']+)["'];$""", re.MULTILINE)
"""Static import of one of our modules, on one line or over several."""


def page_script(context: Context, entry: str) -> SafeString:
    """Draw the script element of `pages/<entry>.js`.

    Modules that it imports are announced beside it: the browser asks for all of them at once, not level by level.
    """
    nonce = context.get("csp_nonce", "")
    main, *others = modules_of(entry) if settings.DEBUG else _modules_once(entry)
    preloads = format_html_join(
        "\n", '<link rel="modulepreload" href="{}" nonce="{}">', ((static(name), nonce) for name in others)
    )
    return format_html('{}\n<script src="{}" type="module" nonce="{}"></script>', preloads, static(main), nonce)


def modules_of(entry: str) -> list[str]:
    """Name the static files of an entry and of all that it imports, the entry first."""
    found = [f"js/pages/{entry}.js"]
    for name in found:  # grows during the loop
        folder = posixpath.dirname(name)
        imported = [posixpath.normpath(posixpath.join(folder, path)) for path in imports_of(name)]
        found += [path for path in dict.fromkeys(imported) if path not in found]
    return found


_modules_once = cache(modules_of)


def imports_of(name: str) -> list[str]:
    """List the relative addresses that the module `name`, a static file, imports."""
    path = finders.find(name)
    if path is None:
        raise ValueError(f"There is no module {name}.")
    return IMPORT.findall(Path(path).read_text())
