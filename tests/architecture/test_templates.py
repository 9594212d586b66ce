"""Inline scripts and styles, which no template may contain."""

from __future__ import annotations

import re

from tests.architecture.code import ROOT, committed

ALLOWED = re.compile(r'<script (?=[^>]*src=)(?=[^>]*nonce="{{ csp_nonce }}")[^>]*>')
SUSPECT = re.compile(r'<script[^>]*>|<style[^>]*>|\son[a-z]+="|\sstyle="|javascript:')
NOT_SHOWN_BY_US = {"admin", "email", "mail"}
"""Template folders outside our policy: Django's admin has its own; mail programs know no policy and no classes."""


def test_no_template_brings_a_script_or_style_of_its_own() -> None:
    """Search the templates for inline scripts and styles, so that no page needs a relaxed policy."""
    templates = [path for path in committed() if "templates" in path.parts and path.suffix == ".html"]
    wrong = [
        f"{path}: {tag}"
        for path in templates
        if not NOT_SHOWN_BY_US & set(path.parts)
        for tag in SUSPECT.findall((ROOT / path).read_text())
        if not ALLOWED.match(tag)
    ]

    assert len(templates) > 50
    assert wrong == []
