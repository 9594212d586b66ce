"""Scripts in place of a model, replayed from the conversation alone.

A script is a generator: it yields a turn (text and calls) and is sent the results. To find the next turn it is replayed
from the start with the results in the messages. No state is kept between turns, so a run that another process resumes
continues exactly as it would have here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agents.runtimes.base import Block, Message, TurnRequest

EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
ATTACHED = re.compile(r"\n+Attached files, in your workspace:\n.*", re.DOTALL)
"""Text that the engine adds to the prompt; the script finds the files with `list_files`."""
DECIDED_BY_ARGUMENT = {"query_table": "sql", "ask_human": "question"}
"""Argument that identifies a repeated call. Arguments of other tools may have been edited by a person."""


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call of a script."""

    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ScriptedTurn:
    """One turn: text and calls. A turn without calls ends the work until a person replies."""

    text: str
    calls: Sequence[Call] = ()
    has_failed: bool = False
    """True if the work ends here without a result; the text gives the reason."""


@dataclass(frozen=True, slots=True)
class Result:
    """Result of one call."""

    text: str
    is_error: bool

    @property
    def answer(self) -> str:
        """Return a person's answer to a question, without their name."""
        return self.text.partition(" answered: ")[2] or self.text


@dataclass(frozen=True, slots=True)
class Reply:
    """Results and messages after a turn: one result per call, and a person's messages in between."""

    results: Sequence[Result]
    message: str

    @property
    def first(self) -> Result:
        return self.results[0]

    @property
    def last(self) -> Result:
        return self.results[-1]


Script = Generator[ScriptedTurn, Reply, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptContext:
    """Input of a script."""

    system: str
    prompt: str
    tools: frozenset[str]
    options: Mapping[str, Any] = field(default_factory=dict)

    def has(self, *tools: str) -> bool:
        return self.tools.issuperset(tools)

    def person(self) -> str:
        """Return the email address of the person who started the run, or "" if it is unknown."""
        lines = [line for line in self.system.splitlines() if "started" in line.lower()]
        found = EMAIL.search("\n".join(lines))
        return found.group().rstrip(".") if found else ""


@dataclass(frozen=True, slots=True)
class _RecordedTurn:
    """One assistant message of the conversation and what followed it."""

    calls: Sequence[Call]
    reply: Reply


def next_scripted_turn(request: TurnRequest, write_script: Callable[[ScriptContext], Script]) -> ScriptedTurn:
    """Return the script's next turn after the conversation in `request`.

    A recorded turn that this script would not make (another model's, or one from before a fork) is skipped. If that
    turn had ended the work, the person's next message starts a new script.
    """
    opening, recorded = _read(request.messages)
    tools = frozenset(tool.name for tool in request.tools)
    prompt = ATTACHED.sub("", opening)
    context = ScriptContext(system=request.system, prompt=prompt, tools=tools, options=request.options)
    script = write_script(context)
    turn = next(script)
    for before in recorded:
        if _same(turn.calls, before.calls):
            turn = script.send(before.reply)
        elif not before.calls and before.reply.message:
            script = write_script(replace(context, prompt=before.reply.message))
            turn = next(script)
    return turn


def _same(wanted: Sequence[Call], recorded: Sequence[Call]) -> bool:
    return len(wanted) == len(recorded) and all(
        a.tool == b.tool and all(a.arguments.get(key) == b.arguments.get(key) for key in _deciding(a.tool))
        for a, b in zip(wanted, recorded, strict=True)
    )


def _deciding(tool: str) -> Iterator[str]:
    if tool in DECIDED_BY_ARGUMENT:
        yield DECIDED_BY_ARGUMENT[tool]


def _read(messages: Sequence[Message]) -> tuple[str, list[_RecordedTurn]]:
    """Return the person's first message, and each assistant message with what followed it."""
    opening: list[str] = []
    turns: list[_RecordedTurn] = []
    calls: list[Call] | None = None
    ids: list[str] = []
    answers: dict[str, Result] = {}
    texts = opening

    def close() -> None:
        if calls is not None:
            lost = Result("There was no answer.", is_error=True)
            turns.append(_RecordedTurn(calls, Reply([answers.get(each, lost) for each in ids], "\n".join(texts))))

    for message in messages:
        blocks = _blocks(message)
        if message["role"] == "assistant":
            close()
            used = [block for block in blocks if block["type"] == "tool_use"]
            calls, ids = [Call(block["name"], block["input"]) for block in used], [block["id"] for block in used]
            answers, texts = {}, []
            continue
        texts.extend(block["text"] for block in blocks if block["type"] == "text")
        for block in blocks:
            if block["type"] == "tool_result":
                answers[block["tool_use_id"]] = Result(_text(block.get("content")), bool(block.get("is_error")))
    close()
    return "\n".join(opening), turns


def _blocks(message: Message) -> Sequence[Block]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _text(content: object) -> str:
    if isinstance(content, list):
        return "\n".join(str(block.get("text", "")) for block in content)
    return str(content or "")
