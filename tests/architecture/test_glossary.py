"""Names: made of plain words and terms of docs/glossary.md, with one meaning for each module name."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

from tests.architecture.code import ROOT, modules
from tests.architecture.test_docs import pages

PLAIN = ROOT / "tests" / "architecture" / "plain_words.txt"
_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
# File names with one meaning in every app (docs/map.md), and folders whose files are named by noun.
BY_LAYER = {
    *("admin", "apps", "errors", "fields", "forms", "hooks", "jobs", "models", "queue", "receivers", "serializers"),
    *("services", "urls", "views", "base", "events", "plans", "names", "logs", "periodic"),
}
BY_NOUN = {"api", "commands", "embedded", "engine", "forms", "models", "rest", "services", "views", "sandbox", "ui"}

# One noun at two levels of the code.
SHARED_NOUNS = {
    "pricing": ["agents", "billing"],
    "runtime": ["agents/runtimes/anthropic", "agents/runtimes/demo"],
}


def terms() -> set[str]:
    rows = re.findall(r"(?m)^\| ([a-z][a-z\- ]*) \| .+ \|$", (ROOT / "docs/glossary.md").read_text())
    return {term for term in rows if term != "term"}


def words_in_names() -> dict[str, str]:
    """Return {word: where it stands} for the words of module and class names."""
    found: dict[str, str] = {}
    for path in modules():
        classes = [
            node.name for node in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(node, ast.ClassDef)
        ]
        for name in (*path.with_suffix("").parts, *classes):
            found |= {word.lower(): f"{path}: {name}" for word in _WORD.findall(name)}
    return found


def _known() -> set[str]:
    return {form for term in terms() for word in re.split(r"[ -]", term) for form in (word, f"{word}s", f"{word}ed")}


def test_every_name_is_made_of_plain_words_and_terms():
    plain = set(PLAIN.read_text().split())

    unknown = {word: where for word, where in words_in_names().items() if word not in plain | _known()}

    assert unknown == {}, "use the field's term, or add it to docs/glossary.md (a plain word: to plain_words.txt)"


def test_no_word_stands_in_both_lists_or_without_use():
    plain, used = set(PLAIN.read_text().split()), set(words_in_names())

    assert sorted(plain & _known()) == []
    assert sorted(plain - used) == []


def test_every_term_is_used():
    texts = [ROOT / path for path in modules()] + [path for path in pages() if path.name != "glossary.md"]
    used = "\n".join((ROOT / path).read_text().lower() for path in texts)

    unused = [term for term in terms() if not re.search(rf"(?<![a-z]){re.sub('[ -]', '[ _-]?', term)}", used)]

    assert len(terms()) > 50
    assert unused == []


def test_no_module_name_has_two_meanings():
    """Compare module names. Equal ones are layers of one noun (api, services, views …) or usual names of an app."""
    places: dict[str, set[Path]] = defaultdict(set)
    for path in modules():
        if path.stem != "__init__" and path.stem not in BY_LAYER:
            places[path.stem].add(path.parent)

    twice = {
        name: sorted(map(str, parents))
        for name, parents in places.items()
        if len({parent for parent in parents if not BY_NOUN & set(parent.parts[1:])}) > 1
    }

    assert twice == SHARED_NOUNS
