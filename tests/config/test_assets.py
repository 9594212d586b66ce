"""Static files: the built style sheet equals its source, and JavaScript modules fit together."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.storage import FileSystemStorage
from django.template import Context

from config.ui import scripts
from config.ui.static_storage import StaticStorage

SRC = settings.BASE_DIR / "static" / "src"
DIST = settings.BASE_DIR / "static" / "dist"
MODULES = sorted((DIST / "js").glob("**/*.js"))
TEMPLATES = list((settings.BASE_DIR / "templates").glob("**/*.html"))
NAMED = re.compile(r"""^import\b([^"';]*)["']([^"']+)["'];$""", re.MULTILINE)
TAILWIND = Path(sys.executable).parent / "tailwindcss"


def name_of(path: Path) -> str:
    """Return the static file's name of a module."""
    return str(path.relative_to(DIST))


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
    for path in [DIST / "app.css", *MODULES]:
        text = path.read_text()
        assert re.findall(r"url\((?!img/|fonts/|[\"'](?:img/|fonts/))[^)]*\)", text) == []
        assert "eval(" not in text
        assert re.findall(r"https?://(?!www\.w3\.org|tailwindcss\.com)[^\s\"')]+", text) == []


@pytest.mark.parametrize("vendor", ["htmx", "lucide"])
def test_every_library_has_its_licence(vendor):
    assert (DIST / "vendor" / f"LICENSE-{vendor}.txt").stat().st_size > 300


@pytest.mark.skipif(
    shutil.which("node") is None, reason="node is not installed here, the modules' syntax is left to the browser"
)
def test_every_module_is_valid(tmp_path):
    for path in MODULES:
        module = tmp_path / f"{path.stem}.mjs"
        module.write_text(path.read_text())
        assert subprocess.run(["node", "--check", module], capture_output=True, check=False).returncode == 0, path


def test_modules_import_what_is_exported_and_each_other_in_no_circle():
    imports = {path: NAMED.findall(path.read_text()) for path in MODULES}
    for path, found in imports.items():
        assert len(found) == len(scripts.imports_of(name_of(path))), f"an import of {path.name} is written another way"
        for names, where in found:
            text = (path.parent / where).read_text()
            for name in re.findall(r"(?<=[{,])\s*(\w+)", names):
                assert re.search(rf"export (async )?(function|const) {name}\b", text), (
                    f"{path.name}: {where} has no {name}"
                )

    graph = {path: {(path.parent / where).resolve() for _, where in found} for path, found in imports.items()}
    list(TopologicalSorter(graph).static_order())  # raises CycleError


def test_every_module_belongs_to_a_page_and_every_entry_to_a_template():
    entries = [path.stem for path in MODULES if path.parent.name == "pages"]
    used = re.findall(r'{% page_script "([\w-]+)" %}', "".join(path.read_text() for path in TEMPLATES))

    assert set(used) == set(entries)
    loaded = {name for entry in entries for name in scripts.modules_of(entry)}
    assert loaded - {"vendor/htmx.esm.min.js"} == {name_of(path) for path in MODULES}


def test_collected_modules_import_collected_modules(tmp_path):
    """One module under two addresses would run twice."""
    shutil.copytree(DIST, tmp_path, dirs_exist_ok=True)
    storage = StaticStorage(location=tmp_path, base_url="/static/")
    dist = FileSystemStorage(DIST)
    names = [name_of(path) for path in MODULES] + ["vendor/htmx.esm.min.js"]
    done = list(storage.post_process({name: (dist, name) for name in names}))
    hashed = storage.hashed_files

    assert [what for _, _, what in done if isinstance(what, Exception)] == []
    for name in names:
        if name.startswith("vendor/"):
            continue
        collected = (tmp_path / hashed[name]).read_text()
        folder = Path(hashed[name]).parent
        found = [os.path.normpath(folder / path) for path in scripts.IMPORT.findall(collected)]
        meant = [os.path.normpath(folder / path) for path in scripts.imports_of(name)]
        assert found == [hashed[other] for other in meant]
    assert (tmp_path / (hashed["vendor/htmx.esm.min.js"] + ".gz")).exists()


def test_a_page_announces_what_its_entry_imports():
    html = str(scripts.page_script(Context({"csp_nonce": "n0nce"}), "inbox"))

    *preloads, script = html.splitlines()
    assert script == '<script src="/static/js/pages/inbox.js" type="module" nonce="n0nce"></script>'
    assert preloads[0] == '<link rel="modulepreload" href="/static/js/pages/team.js" nonce="n0nce">'
    assert len(preloads) == len(set(preloads)) == len(scripts.modules_of("inbox")) - 1
    assert "request-keys" in html
    assert "run-live" not in html


def test_an_entry_that_is_not_there_is_a_fault():
    with pytest.raises(ValueError, match=r"There is no module js/pages/nowhere\.js"):
        scripts.page_script(Context(), "nowhere")
