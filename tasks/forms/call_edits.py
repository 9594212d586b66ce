"""Edited version of a call that waits for approval. It has form fields, and differences from the original."""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any, Literal

from django.http import QueryDict

from accounts import strict_json
from accounts.errors import Conflict, FieldError, InvalidInput
from tasks.call_digest import digest
from tasks.forms.mails import LABELS, MAIL_TOOLS, PHRASES
from tasks.fragments.lines import argument_of, is_unseen, visible
from tasks.models import HumanRequest
from tools import catalog

PREFIX = "arg:"
"""Prefix of the fields that hold arguments of a call."""
MAX_LINE_PAIRS = 4_000_000
MAX_WORD_PAIRS = 250_000
"""Most pairs of lines, and of words of two lines, that are compared; larger texts count as wholly different."""
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")


class ApprovalView(enum.StrEnum):
    """Views of an approval: the requested call, its arguments as fields, or the edited call."""

    ASKED = "asked"
    EDIT = "edit"
    REVIEW = "review"


@dataclass(frozen=True, slots=True)
class EditField:
    """Argument of a call in the edit form."""

    name: str
    label: str
    value: str
    is_text: bool
    is_list: bool
    """List of texts, shown with commas between them."""
    is_long: bool
    unseen: str
    """Invisible characters of the value, written out."""


@dataclass(frozen=True, slots=True)
class Piece:
    kind: Literal["same", "add", "del"]
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """Line of a changed text; its pieces say which parts differ."""

    kind: Literal["same", "add", "del"]
    pieces: Sequence[Piece]


@dataclass(frozen=True, slots=True)
class ArgumentChange:
    """Argument before and after. `lines` are for long texts."""

    name: str
    is_changed: bool
    before: str
    after: str
    lines: Sequence[Line] = ()
    phrase: str = ""


@dataclass(frozen=True, slots=True)
class EditedCall:
    """Complete call as the person edited it."""

    arguments: Mapping[str, Any]
    digest: str
    title: str
    changes: Sequence[ArgumentChange]

    @property
    def changed(self) -> str:
        """Words for the changed arguments: "the recipients and the subject", or their names."""
        names = [change.phrase for change in self.changes if change.is_changed]
        return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def has_arguments(data: QueryDict) -> bool:
    """Return True if the form holds an edited call, and so never means the original."""
    return any(name.startswith(PREFIX) for name in data)


def edit_fields(asked: HumanRequest, given: QueryDict | None) -> list[EditField]:
    """Return the arguments as fields, with the submitted values if the form came back."""
    found = []
    for name, value in (asked.arguments or {}).items():
        typed = given.get(f"{PREFIX}{name}") if given is not None else None
        text = _text_of(value) if typed is None else str(typed)
        unseen = " ".join(dict.fromkeys(visible(char) for char in text if is_unseen(char)))
        is_long = len(text) > 90 or "\n" in text or "\r" in text
        label = LABELS.get(name, name) if asked.tool in MAIL_TOOLS else name
        found.append(EditField(name, label, text, isinstance(value, str), _is_plain_list(value), is_long, unseen))
    return found


def read_edit(asked: HumanRequest, data: QueryDict) -> EditedCall:
    """Return the edited call, from the form's fields alone.

    Raises InvalidInput if a field is missing or unreadable, or nothing differs from the original; Conflict if it is
    not the version that the form showed (`version` is the digest of that).
    """
    stored: Mapping[str, Any] = asked.arguments or {}
    arguments = {name: _read(name, old, data.get(f"{PREFIX}{name}")) for name, old in stored.items()}
    name = digest(asked.tool, arguments)
    if data.get("version", name) != name:
        raise Conflict("This is not the version that was shown to you. Edit the request again.")
    if name == asked.digest:
        raise _invalid("Nothing is changed yet. Change something, or go back to allow the request as it is.")
    changes = [_named(asked.tool, _change(key, stored[key], arguments[key])) for key in stored]
    return EditedCall(arguments, name, _headline(asked, arguments), changes)


def _text_of(value: Any) -> str:
    if _is_plain_list(value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_plain_list(value: Any) -> bool:
    """Return True if the texts can stand in one line with commas between them, and be read again."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, str) and one and one == one.strip() and not set(one) & set(',[]"\n\r') for one in value)
    )


def _read(name: str, old: Any, given: str | None) -> Any:
    """Return the value of a field. An unchanged one stays exactly what it was, although browsers change line ends."""
    if given is None:
        raise _invalid(f"The form came without {name}. Open the request again and edit it there.")
    shown = _text_of(old)
    given = _plain_ends(given)
    if given == _plain_ends(shown):
        return old
    is_text = isinstance(old, str)
    try:
        if _is_plain_list(old) and not given.lstrip().startswith(("[", '"')):
            texts = [text.strip() for text in given.split(",")]
            return strict_json.normalise([text for text in texts if text], repair=False)
        return (strict_json.normalise if is_text else strict_json.loads)(given, repair=False)
    except strict_json.NotStorable as error:
        raise _invalid(f"{name}: {error}" if is_text else f"{name} cannot be read as JSON. {error}") from error


def _plain_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _invalid(message: str) -> InvalidInput:
    return InvalidInput(message, fields=[FieldError("arguments", "invalid", message)])


def _headline(asked: HumanRequest, arguments: Mapping[str, Any]) -> str:
    """Return one line about the edited call; the title of the request describes the original."""
    spec = catalog.for_run(team_id=asked.team_id, tools=[{"tool": asked.tool}]).get(asked.tool)
    if spec is None:
        return asked.tool
    return (spec.headline(arguments) or spec.title)[:200]


# ---- Changes


def _named(tool: str, change: ArgumentChange) -> ArgumentChange:
    """Add the words of the tool to a change: those of an email are not the names of its arguments."""
    if tool not in MAIL_TOOLS:
        return replace(change, phrase=change.name)
    name = change.name
    return replace(change, name=LABELS.get(name, name), phrase=PHRASES.get(name, name))


def _change(name: str, before: Any, after: Any) -> ArgumentChange:
    old, new = argument_of(name, before), argument_of(name, after)
    if old.value == new.value:
        return ArgumentChange(old.name, False, old.value, new.value)
    lines = tuple(_lines(old.value, new.value)) if old.is_long or new.is_long else ()
    return ArgumentChange(old.name, True, old.value, new.value, lines)


def _lines(before: str, after: str) -> Iterator[Line]:
    """Yield every line of both texts, equal ones once. Nothing that will be sent is left out."""
    old, new = before.split("\n"), after.split("\n")
    for kind, a, b, c, d in _blocks(old, new, MAX_LINE_PAIRS):
        if kind == "equal":
            yield from (Line("same", [Piece("same", text)]) for text in old[a:b])
            continue
        pairs = list(zip(old[a:b], new[c:d], strict=False))
        for left, right in pairs:
            yield from _words(left, right)
        yield from (Line("del", [Piece("del", text)]) for text in old[a:b][len(pairs) :])
        yield from (Line("add", [Piece("add", text)]) for text in new[c:d][len(pairs) :])


def _words(before: str, after: str) -> Iterator[Line]:
    """Compare a line with its replacement word by word."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    removed: list[Piece] = []
    added: list[Piece] = []
    for kind, a, b, c, d in _blocks(old, new, MAX_WORD_PAIRS):
        is_same = kind == "equal"
        if a < b:
            removed.append(Piece("same" if is_same else "del", "".join(old[a:b])))
        if c < d:
            added.append(Piece("same" if is_same else "add", "".join(new[c:d])))
    yield Line("del", removed)
    yield Line("add", added)


def _blocks(old: Sequence[str], new: Sequence[str], most: int) -> Sequence[tuple[str, int, int, int, int]]:
    if len(old) * len(new) > most:
        return [("replace", 0, len(old), 0, len(new))]
    return list(SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes())
