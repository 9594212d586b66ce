"""Run in a terminal: its events as lines, a progress bar, and the agent's questions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from accounts import strict_json
from accounts.errors import AppError, InvalidInput
from accounts.models import User
from tasks.fragments.lines import visible
from tasks.models import HumanRequest, Run, RunEvent
from tasks.request_kinds import kind_of
from tasks.services import answers

POLL_S = 0.15
"""Seconds between two looks at the run."""
BAR = 24
"""Characters of the progress bar."""
QUIET = ("report_progress", "ask_human")
"""Tools without a line of their own, because they show in another way."""
Ask = Callable[[str], str]


class NobodyToAsk(Exception):
    """Question of the agent in a terminal without a person."""


def follow(run: Run, *, out: TextIO, actor: User, ask: Ask | None, is_terminal: bool) -> Run:
    """Show the run until it has ended, and answer its questions through `ask`. Return the run. Raises NobodyToAsk."""
    screen = _Screen(out, is_terminal=is_terminal)
    seen = 0
    while True:
        for event in RunEvent.objects.filter(run=run, seq__gt=seen).order_by("seq"):
            seen = event.seq
            screen.show(event)
        run.refresh_from_db()
        if run.is_terminal and seen >= run.last_seq:
            screen.clear()
            return run
        asked = HumanRequest.objects.open().filter(run=run).first()
        if asked is not None and seen >= run.last_seq:
            screen.clear()
            if ask is None:
                raise NobodyToAsk(asked.title)
            _answer(asked, actor=actor, ask=ask, out=out)
        time.sleep(POLL_S)


class _Screen:
    """Output of fixed lines, with one changing line below them."""

    def __init__(self, out: TextIO, *, is_terminal: bool) -> None:
        self._out = out
        self._is_terminal = is_terminal
        self._bar = ""

    def clear(self) -> None:
        if self._bar and self._is_terminal:
            self._out.write("\r\x1b[2K")
        self._bar = ""
        self._out.flush()

    def show(self, event: RunEvent) -> None:
        bar = self._bar
        self.clear()
        if event.type == "progress":
            bar = _bar(event.data)
        else:
            line = _line(event.type, event.data)
            if line:
                self._out.write(f"{_printable(line)}\n")
        if bar and self._is_terminal and event.type != "run.finished":
            self._out.write(bar)
            self._bar = bar
        elif event.type == "progress":
            self._out.write(f"{bar}\n")
        self._out.flush()


def _bar(data: Mapping[str, Any]) -> str:
    share = min(1.0, data["done"] / data["total"]) if data["total"] else 0.0
    full = round(share * BAR)
    return _printable(f"  [{'█' * full}{'·' * (BAR - full)}] {share:4.0%}  {data['label']}")


def _printable(text: str) -> str:
    """Return the text without characters that could control the terminal."""
    return "".join(c for c in text if c in "\n\t" or c.isprintable())


def _line(type_: str, data: Mapping[str, Any]) -> str:
    match type_:
        case "run.created":
            return f"● {data['agent']}: {data['title']}"
        case "run.started":
            badge = f" ({data['badge']})" if data["badge"] else ""
            return f"  started on {data['model']}{badge}"
        case "message":
            return "\n".join(f"  {line}" for line in data["text"].splitlines())
        case "tool.started" if data["tool"] not in QUIET:
            return f"  → {data['headline']}"
        case "tool.finished" if data["tool"] not in QUIET or data["is_error"]:
            return f"  {'✗' if data['is_error'] else '✓'} {data['summary']}  ({data['duration_s']:.1f} s)"
        case "artifact.created" | "file.changed":
            return f"  + {data['path']}  ({data['size']:,} bytes)"
        case "human.answered":
            said = data["decision"] or json.dumps(data["value"], ensure_ascii=False)
            return f"  {data['by']}: {said}"
        case "human.expired" | "attempt.lost" | "budget.warning" | "budget.exhausted":
            return f"  ! {type_.replace('.', ' ')}"
        case "error":
            return f"  ! {data['detail']}"
        case "run.finished":
            cost = f"${float(data['cost_usd']):.4f}"
            why = f": {data['error_detail']}" if data["error_detail"] else ""
            return f"■ {data['status']} in {data['active_s']:.1f} s for {cost}{why}"
    return ""


def _answer(asked: HumanRequest, *, actor: User, ask: Ask, out: TextIO) -> None:
    out.write(f"\n? {_printable(asked.title)}\n")
    if asked.prompt:
        out.write(f"  {_printable(asked.prompt)}\n")
    if asked.arguments:
        out.write(f"{visible(json.dumps(asked.arguments, indent=2, ensure_ascii=False))}\n")
    while True:
        try:
            answers.answer_request(asked=asked, actor=actor, answer=_ask_for(asked, ask), is_admin=True)
            return
        except AppError as error:
            out.write(f"  {error.detail}\n")


def _ask_for(asked: HumanRequest, ask: Ask) -> dict[str, Any]:
    if asked.kind == "question":
        choices = [str(choice) for choice in asked.choices or ()]
        menu = "".join(f"  {n}) {_printable(choice)}\n" for n, choice in enumerate(choices, 1))
        said = ask(f"{menu}> ").strip()
        chosen = choices[int(said) - 1] if said.isdecimal() and 0 < int(said) <= len(choices) else said
        return {"value": chosen}
    options = "/".join(kind_of(asked).decisions)
    decision = ask(f"[{options}] > ").strip().lower()
    answer: dict[str, Any] = {"decision": decision, "digest": asked.digest}
    if decision in ("reject", "revise"):
        answer["comment"] = ask("Why? > ")
    if decision == "edit":
        answer["arguments"] = _json(ask("New arguments as JSON > "))
    if decision == "raise":
        answer["max_cost_usd"] = ask("New limit in $ > ")
    return answer


def _json(text: str) -> Any:
    try:
        return strict_json.loads(text, repair=False) if text.strip() else None
    except strict_json.NotStorable as error:
        raise InvalidInput(str(error)) from error
