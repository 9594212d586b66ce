"""Text of the launcher in the terminal."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from config.embedded.child import Child
from config.launch.options import ROOT, Options


def say(line: str) -> None:
    with contextlib.suppress(OSError):  # the terminal has gone; the product continues
        print(line, flush=True)


def welcome(options: Options) -> str:
    """Return the first screen: address, sign-in data, paths."""
    model = "Claude" if os.environ.get("ANTHROPIC_API_KEY") else "the demo model (set ANTHROPIC_API_KEY for Claude)"
    mail = (
        "sent by the server in EMAIL_URL"
        if os.environ.get("EMAIL_URL")
        else f"written to {short(options.home / 'mail')}"
    )
    rows = [("Model", model), ("Mail", mail), ("Logs", short(options.home / "log")), ("Stop", "Ctrl-C; the data stays")]
    if demo := _demo(options.home):
        operator = f"{options.url}/admin/ as {demo.get('operator_email')} / {demo.get('operator_password')}"
        rows = [("Sign in as", f"{demo['email']} / {demo['password']}"), ("Operator", operator), *rows]
    return "\n".join(["", f"Deskhand runs at {options.url}", "", *(f"  {name:<12}{value}" for name, value in rows), ""])


def last_words(child: Child) -> str:
    lines = child.last_words().strip().splitlines() or ["it said nothing."]
    return f"{lines[-1][:300]} (all of it is in {short(child.log)})"


def listed(names: list[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]


def short(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _demo(home: Path) -> dict[str, str]:
    try:
        found = json.loads((home / "demo.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and {"email", "password"} <= found.keys() else {}
