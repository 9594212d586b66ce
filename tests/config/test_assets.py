"""Built assets: static/dist equals the build of static/src."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

SRC = settings.BASE_DIR / "static" / "src"
DIST = settings.BASE_DIR / "static" / "dist"
TAILWIND = Path(sys.executable).parent / "tailwindcss"


def test_the_script_is_its_parts_in_order():
    parts = sorted((SRC / "js").glob("*.js"), key=lambda path: path.name)

    assert (DIST / "app.js").read_text() == "".join(part.read_text() for part in parts)


@pytest.mark.skipif(
    not TAILWIND.exists(), reason="tailwindcss is not installed here, the built style sheet is taken as it is"
)
def test_the_style_sheet_is_built_from_its_source(tmp_path):
    done = subprocess.run(
        [TAILWIND, "-i", SRC / "app.css", "-o", tmp_path / "app.css", "--minify"],
        capture_output=True,
        text=True,
        check=False,
        cwd=settings.BASE_DIR,
    )

    assert done.returncode == 0, done.stderr
    assert (DIST / "app.css").read_text() == (tmp_path / "app.css").read_text(), "run `make css`"


def test_nothing_is_loaded_from_elsewhere():
    for path in [DIST / "app.css", DIST / "app.js"]:
        text = path.read_text()
        assert re.findall(r"url\((?!img/|fonts/|[\"'](?:img/|fonts/))[^)]*\)", text) == []
        assert "eval(" not in text
        assert re.findall(r"https?://(?!www\.w3\.org|tailwindcss\.com)[^\s\"')]+", text) == []


@pytest.mark.parametrize("vendor", ["htmx", "lucide"])
def test_every_library_has_its_licence(vendor):
    assert (DIST / "vendor" / f"LICENSE-{vendor}.txt").stat().st_size > 300


@pytest.mark.skipif(
    shutil.which("node") is None, reason="node is not installed here, the script's syntax is left to the browser"
)
def test_the_script_is_one_valid_module(tmp_path):
    module = tmp_path / "app.mjs"
    module.write_text((DIST / "app.js").read_text())

    assert subprocess.run(["node", "--check", module], capture_output=True, check=False).returncode == 0
