"""Calls for the API's fuzz test: schemathesis' own, and good ones with one value replaced."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from django.db.models import Model
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.core import NotSet
from schemathesis.generation import GenerationMode

from accounts.models import ApiKey, Invitation, Notification, Team, User
from agents.models import Agent, Memory
from storage.models import StoredFile, Upload
from tasks.models import Artifact, HumanRequest, Run, RunShare, Task

SEED = 20260101
EXAMPLES = 2
"""Examples per mode and operation."""
NASTY_EACH = 3
"""Nasty values that each field of a body gets."""
DEEP: Any = json.loads("[" * 200 + "]" * 200)
NASTY: list[Any] = [
    *("\x00", "a\x00b", "\ud800", "\udfff\ud800", "\u202e", "'\"; DROP TABLE", "x" * 200_000, "é" * 70_000, "", " "),
    *(2**31, 2**63, 2**64, -(2**63) - 1, 10**300, -1, 0, 1e308, -0.0, 1e-320, 0.1 + 0.2),
    *(
        None,
        True,
        False,
        [],
        {},
        [[]],
        {"": ""},
        DEEP,
        {"a": DEEP},
        [None] * 1000,
        {"$ref": "#"},
        ["\x00"],
        {"\x00": 1},
    ),
    *("NaN", "Infinity", "-1", "1_000", "٣", "1e9", "9" * 400, "true", "null", "../../etc/passwd", "%00", "%2e%2e"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0000-00-00", "2026-02-30T25:61:61Z", "10000-01-01"),
    *("2026-01-01T00:00:00+20:30", "2026-01-01T00:00:00-23:59", "0001-01-01T00:00:00+23:59"),
    *("00000000-0000-0000-0000-000000000000", "not-a-uuid", "{" + "0" * 32 + "}", "urn:uuid:" + "0" * 32),
    *("bjo", "cDowMDAw", "bjo5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk", "====", "bjrigKY"),
]
"""Values that break careless code.

The last line are cursors: empty, zero, 20 digits, padding alone, not ASCII inside.
"""

OF_PATH: Mapping[str, type[Model]] = {
    **{"agents": Agent, "memories": Memory, "runs": Run, "tasks": Task, "artifacts": Artifact, "files": StoredFile},
    **{"requests": HumanRequest, "shares": RunShare, "api-keys": ApiKey, "teams": Team, "members": User},
    **{"invitations": Invitation, "notifications": Notification},
}
"""Model of the id after that part of a path."""
OF_BODY: Mapping[str, type[Model]] = {"agent": Agent, "task": Task, "attachments": StoredFile}
_SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
_LIMITS = {"max_cost_usd": "1.00", "max_turns": 5, "timeout_s": 60}
_IN_A_MONTH = f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%dT%H:%M:%SZ}"
_START = {
    **{"attachments": [], "limits": _LIMITS, "output_schema": _SCHEMA, "required_artifacts": ["a.md"], "review": True},
    **{"start_at": _IN_A_MONTH, "priority": 1, "metadata": {"a": 1}},
}
GOOD: dict[str, dict[str, Any]] = {
    "budgets/team": {"limit_usd": "20.00"},
    "budgets/agents": {"limit_usd": "20.00"},
    "agents": {
        **{"name": "A", "role": "R", "description": "D", "instructions": "I", "model": "demo-1", "runtime": "demo"},
        **{"tools": [{"tool": "read_file", "policy": "ask"}], "memory_enabled": True, "hue": "teal", "icon": "bolt"},
        **{"limits": {**_LIMITS, "max_concurrent_runs": 1}, "budget_monthly_usd": "5.00"},
        "options": {"approvers": [], "four_eyes": True, "allowed_hosts": ["example.com"], "max_tokens": 1000},
    },
    "runs": {"agent": Agent, "prompt": "Go", **_START},
    "tasks": {
        **{"name": "T", "agent": Agent, "prompt": "Look at {{day}}", "review": False, "limits": _LIMITS},
        **{"output_schema": _SCHEMA, "required_artifacts": ["a.md"]},
        "variables": [{"name": "day", "label": "Day", "type": "text", "default": "x", "required": False, "help": "h"}],
    },
    "tasks/runs": {**_START, "variables": {}},
    "cancel": {"reason": "No"},
    "upload-url": {"name": "a.csv", "size": 9, "sha256": "0" * 64, "content_type": "text/csv"},
    "message": {"text": "Only this year."},
    "bulk-cancel": {"runs": [Run], "reason": "No"},
    "bulk-retry": {"runs": [Run], "repeat_effects": True},
    "retry": {"repeat_effects": True},
    "bulk-continue": {"runs": [Run]},
    "fork": {"from_seq": 0, "prompt": "Again", "model": "demo-1", "reuse_tools": True},
    "review": {"decision": "revise", "comment": "More"},
    "answer": {"value": "yes", "comment": "c"},
    "memories": {"text": "Remember"},
    "api-keys": {"name": "K", "scopes": ["runs:read"], "expires_at": _IN_A_MONTH},
    "me": {"name": "N", "hue": "teal"},
    "teams": {"name": "T"},
    "teams/invitations": {"email": "new@example.com", "role": "viewer"},
    "members": {"role": "viewer"},
    "transfer": {"user": User},
    "people": {"limited_to": [User]},
}
"""Accepted bodies with every field, by the last words of the path. A model stands for the id of its row."""


@dataclass(frozen=True)
class Call:
    """One request that is not sent yet."""

    method: str
    path: str
    values: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    media_type: str = "application/json"

    def url(self) -> str:
        path = self.path
        for name, value in self.values.items():
            path = path.replace(f"{{{name}}}", quote(str(value), safe="", errors="surrogatepass"))
        asked = {name: value for name, value in self.query.items() if value is not None}
        return path + (f"?{urlencode(asked, doseq=True, errors='surrogatepass')}" if asked else "")

    def content(self) -> tuple[bytes, str]:
        if self.body is None or isinstance(self.body, bytes):
            return self.body or b"", self.media_type
        if self.media_type != "multipart/form-data":
            return json.dumps(self.body).encode(), self.media_type
        name = str(self.body.get("file") if isinstance(self.body, dict) else self.body)[:1000]
        head = f'--bb\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        return head.encode(errors="surrogatepass") + b"\x00\xff\r\n--bb--\r\n", "multipart/form-data; boundary=bb"

    def sent_by(self, client: Client) -> Any:
        content, media_type = self.content()
        return client.generic(self.method, self.url(), content, content_type=media_type, headers=dict(self.headers))

    def __str__(self) -> str:
        return f"{self.method} {self.url()[:200]} {self.headers} {self.content()[0][:300]!r}"


@dataclass(frozen=True)
class Operation:
    """One operation of the document, and the rows that its calls may name."""

    made: Any
    rows: Mapping[Any, Any]

    @property
    def described(self) -> dict[str, Any]:
        found: dict[str, Any] = self.made.definition.raw
        return found

    def calls(self) -> list[Call]:
        """Return schemathesis' calls; half of them match the document."""
        chance = random.Random(f"{SEED} {self.made.label}")  # noqa: S311 - the same every time is the point
        modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        return [self._call(case, chance) for mode in modes for case in _examples(self.made, mode)]

    def spoilt(self, call: Call) -> Iterator[Call]:
        """Yield a valid call, and the same with one value of the query or of the body replaced."""
        values = {name: self._id_for(name, 1) for name in call.values}
        fits = replace(call, values=values, query={}, headers={}, body=self._good_body() or call.body)
        yield fits
        for parameter in self.described.get("parameters", ()):
            for nasty in NASTY if parameter["in"] == "query" else ():
                yield replace(fits, query={parameter["name"]: _in_words(nasty)})
        chance = random.Random(f"{SEED} {self.made.label} spoilt")  # noqa: S311
        for place in _places(fits.body):
            for nasty in chance.sample(NASTY, NASTY_EACH):
                yield replace(fits, body=_with(fits.body, place, nasty))

    def _call(self, case: Any, chance: random.Random) -> Call:
        """Return the case with existing ids and without a key: random ones would hardly find anything."""
        given = case.path_parameters or {}
        body = None if isinstance(case.body, NotSet) else copy.deepcopy(case.body)
        for name, model in OF_BODY.items() if isinstance(body, dict) else ():
            if name in body and chance.random() < 0.8:
                body[name] = [self._id(model)] if name == "attachments" else self._id(model)
        left_out = {"X-Team", "Content-Type", "Authorization"}
        return Call(
            method=case.method,
            path=case.path,
            values={n: self._id_for(n, v) if chance.random() < 0.9 else v for n, v in given.items()},
            query=dict(case.query or {}),
            headers={k: str(v) for k, v in (case.headers or {}).items() if k not in left_out},
            body=body,
            media_type=case.media_type or "application/json",
        )

    def _id(self, model: type[Model]) -> str:
        row = self.rows[model]
        return str(row.slug if isinstance(row, Team) else row.pk)

    def _id_for(self, name: str, other: Any) -> Any:
        if self.made.path.endswith("/files/{id}/complete/"):
            return self._id(Upload)
        before = re.search(rf"([a-z-]+)/\{{{name}\}}", self.made.path)
        return self._id(OF_PATH[before[1]]) if before and before[1] in OF_PATH else other

    def _good_body(self) -> Any:
        words = [word for word in self.made.path.split("/") if word and "{" not in word]
        body = GOOD.get("/".join(words[-2:])) or GOOD.get(words[-1])
        if body is None or "requestBody" not in self.described:
            return None
        return {name: self._with_ids(value) for name, value in body.items()}

    def _with_ids(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._with_ids(one) for one in value]
        return self._id(value) if isinstance(value, type) else value


def _examples(operation: Any, mode: GenerationMode) -> list[Any]:
    found = []

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def collect(case: Any) -> None:
        found.append(case)

    with suppress(Unsatisfiable):  # an address and bytes: nothing can violate the document
        collect()
    return found


def _in_words(value: Any) -> str:
    return value[:2000] if isinstance(value, str) else json.dumps(value)[:2000]


def _places(body: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to every nested value: keys of objects, indexes of lists."""
    inside = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for name, value in inside:
        yield (*before, name)
        yield from _places(value, (*before, name))


def _with(body: Any, place: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(body)
    inside = changed
    for name in place[:-1]:
        inside = inside[name]
    inside[place[-1]] = value
    return changed
