"""Examples of every body in the OpenAPI document, and the error codes of every refusal.

Bodies that people copy are written out in BODIES; all others are built from their schema and the table of typical
values. A test validates every example against its schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from config.api_docs.errors import ERRORS

AT, DAY = "2026-11-21T09:30:00Z", "2026-11-21"
ID, AGENT, RUN, TASK, FILE = (f"0198c0de-0000-7000-8000-{n:012d}" for n in range(1, 6))
DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
PROBLEM = "application/problem+json"
ANSWER = "Two of three refunds follow a late delivery."
LIMITS = {"max_cost_usd": "0.50", "max_turns": 20, "timeout_s": 600}
SCHEMA = {"type": "object", "properties": {"total": {"type": "integer"}}, "required": ["total"]}

BODIES: Mapping[str, Any] = {
    "NewRunRequest": {
        "agent": AGENT,
        "prompt": "What drives refunds?",
        "attachments": [FILE],
        "limits": LIMITS,
        "required_artifacts": ["report.md"],
        "review": True,
        "metadata": {"ticket": "OPS-17"},
    },
    "TaskRunInputRequest": {"variables": {"month": "October"}, "attachments": [FILE], "review": False},
    "TaskInputRequest": {
        "name": "Refunds of a month",
        "agent": AGENT,
        "prompt": "What drives refunds in {{month}}?",
        "variables": [{"name": "month", "label": "Month", "type": "text", "required": True}],
        "required_artifacts": ["report.md"],
    },
    "PatchedTaskChangeRequest": {"prompt": "What drives refunds in {{month}}? Compare it with the month before."},
    "NewAgentRequest": {"template": "data-analyst", "name": "Ana"},
    "PatchedAgentChangeRequest": {"limits": {"max_cost_usd": "2.00"}, "status": "paused"},
    "AnswerInputRequest": {"value": "refund_usd"},
    "ReviewInputRequest": {"decision": "revise", "comment": "Leave out test orders."},
    "MessageInputRequest": {"text": "Only this year, please."},
    "ForkInputRequest": {"from_seq": 12, "prompt": "Look at deliveries instead.", "reuse_tools": True},
    "ReasonInputRequest": {"reason": "Started by mistake."},
    "ManyRunsInputRequest": {"runs": [RUN]},
    "ManyRunsReasonInputRequest": {"runs": [RUN], "reason": "Started by mistake."},
    "ApiKeyInputRequest": {"name": "Warehouse", "scopes": ["runs:read", "runs:write"], "expires_at": AT},
    "MemoryInputRequest": {"text": "Refunds are counted in US dollars."},
    "BudgetInputRequest": {"limit_usd": "20.00"},
    "NewUploadRequest": {"name": "tickets.parquet", "size": 2048, "sha256": DIGEST},
    "SignUpRequest": {"email": "you@example.com", "password": "a long pass phrase"},
    "SignInRequest": {"email": "you@example.com", "password": "a long pass phrase"},
    "EmptyInputRequest": {},
    "Event": {
        "run": RUN,
        "seq": 7,
        "type": "tool.finished",
        "at": AT,
        "data": {
            **{"step": 2, "call_id": "toolu_01", "tool": "query_table", "summary": "Read 12 rows"},
            **{"is_error": False, "duration_s": 0.04, "preview": "month | refunds", "payload": {}, "icon": "table-2"},
        },
    },
}
"""Examples by component name; other request bodies are built from their schema."""

VALUES: Mapping[str, Any] = {
    **{"Agent.id": AGENT, "RunAgent.id": AGENT, "TaskAgent.id": AGENT, "BudgetAgent.id": AGENT, "agent": AGENT},
    **{"Run.id": RUN, "run": RUN, "new_run": RUN, "Task.id": TASK, "RunTask.id": TASK, "task": TASK, "File.id": FILE},
    **{"Agent.name": "Ana", "RunAgent.name": "Ana", "TaskAgent.name": "Ana", "BudgetAgent.name": "Ana"},
    **{"Tool.name": "query_table", "tool": "query_table", "Team.name": "Acme", "TeamOfMe.name": "Acme"},
    **{"Task.name": "Refunds of a month", "RunTask.name": "Refunds of a month", "ApiKey.name": "Warehouse"},
    **{"File.name": "tickets.csv", "RunAttachment.name": "tickets.csv", "Artifact.name": "report.md"},
    **{"Me.name": "Grace", "Member.name": "Grace", "name": "Ana", "slug": "acme", "team": "acme", "label": "Month"},
    **{"role": "Data analyst", "TeamOfMe.role": "owner", "description": "Finds what drives a number", "hue": "teal"},
    **{"icon": "chart-column", "instructions": "You are a data analyst.", "model": "demo-1", "runtime": "demo"},
    **{"badge": "Demo model", "prompt": "What drives refunds?", "example_prompt": "What drives refunds?"},
    **{"title": "What drives refunds?", "run_title": "What drives refunds?", "text": "Refunds are in US dollars."},
    **{"output": ANSWER, "summary": ANSWER, "answer": {"value": "refund_usd"}, "value": "refund_usd"},
    **{"path": "report.md", "content_type": "text/csv", "size": 2048, "sha256": DIGEST, "digest": f"sha256:{DIGEST}"},
    **{"email": "you@example.com", "by": "Grace", "created_by": "Grace"},
    **{"answered_by": "Grace", "actor_label": "Grace", "approvers": [], "allowed_hosts": ["example.com"]},
    **{"cost_usd": "0.004200", "total_usd": "0.004200", "spent_usd": "1.250000", "reserved_usd": "0.000000"},
    **{"limit_usd": "20.00", "max_cost_usd": "1.00", "budget_monthly_usd": "20.00", "max_turns": 40},
    **{"timeout_s": 1800, "max_concurrent_runs": 10, "version": 3, "number": 3, "attempt": 1, "priority": 0},
    **{"active_s": 12.4, "input_tokens": 5120, "output_tokens": 640, "cache_read_tokens": 0, "cache_write_tokens": 0},
    **{"last_seq": 37, "seq": 7, "from_seq": 12, "variables": {"month": "October"}, "metadata": {"ticket": "OPS-17"}},
    **{"progress": {"done": 2, "total": 5, "label": "Comparing months", "eta_s": 40}, "required_artifacts": []},
    **{"arguments": {"to": "you@example.com"}, "choices": ["refunded", "refund_usd"], "output_schema": SCHEMA},
    **{"input_schema": SCHEMA, "prefix": "dh_1a2b3c4d", "secret": "dh_1a2b3c4d_…", "token_hint": "x7Qd"},
    **{"access": "eyJhbGciOiJIUzI1NiIs…", "refresh": "eyJhbGciOiJIUzI1NiIs…", "expires_in": 600, "key": "MQ:1vP:x7Qd"},
    **{"RoleTemplate.key": "data-analyst", "password": "a long pass phrase", "code": "", "request_id": ID},
    **{"detail": "Look at your mail: its link finishes the account.", "action": "run.started"},
    **{"TaskVariable.name": "month", "TaskVariable.choices": ["October"], "default": "October", "help": "Its name."},
    **{"subject_type": "run", "subject_id": RUN, "subject_label": "What drives refunds?", "address": "203.0.113.7"},
    **{"hash": DIGEST, "prev_hash": DIGEST, "head": DIGEST, "max_tokens": 8000, "message": "All is in order."},
    **{"url": "https://desk.example.com/share/x7Qd…/", "status": "running", "kind": "task"},
    **{"HumanRequest.kind": "question", "InboxEntry.kind": "question", "HumanRequest.status": "open"},
    **{"InboxEntry.status": "open", "File.content_type": "text/csv", "Artifact.content_type": "text/markdown"},
}
"""Typical value of a field, by `Component.field` or by the field's name alone."""
NULL = frozenset(
    {
        *("conversation", "error", "waiting_on", "forked_from", "retry_of", "listing", "working_hours", "revoked_at"),
        *(
            "next",
            "previous",
            "start_at",
            "broken_at",
            "answered_at",
            "answer",
            "last_run",
            "finished_at",
            "Run.output",
            "schema",
        ),
    }
)
"""Fields that are usually null."""


def add_examples(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the examples. A postprocessing hook of drf-spectacular."""
    _mend(result)
    examples = Examples(result["components"]["schemas"])
    for operation in _operations(result):
        for described in [operation.get("requestBody", {}), *operation["responses"].values()]:
            for media_type, content in described.get("content", {}).items():
                if media_type == "application/json" and "example" not in content:
                    content["example"] = examples.of(content["schema"])
        for status, described in operation["responses"].items():
            if PROBLEM in described.get("content", {}):
                described["content"][PROBLEM]["examples"] = _problems(int(status), operation)
    return result


def _mend(schema: Any) -> None:
    """Remove `oneOf: [{}, null]`: both branches match null, so `oneOf` would reject it."""
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        _mend(inner)
    if isinstance(schema, dict) and {} in schema.get("oneOf", ()):
        del schema["oneOf"]


def _operations(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from (one for one in path.values() if isinstance(one, dict) and "responses" in one)


def _problems(status: int, operation: Mapping[str, Any]) -> dict[str, Any]:
    """Return an example document for each error code that the operation may return with that status."""
    headers = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "header"}
    found = {}
    for error in ERRORS:
        is_of_a_key = error.code.startswith("idempotency_")
        if error.status == status and (not is_of_a_key or "Idempotency-Key" in headers):
            problem = {
                **{"type": f"/docs/errors/#{error.code}", "title": error.meaning, "status": status},
                **{"detail": error.advice, "code": error.code, "request_id": ID, "errors": []},
            }
            found[error.code] = {"summary": error.meaning, "value": problem}
    return found


class Examples:
    """Example values of JSON Schemas that refer to these components."""

    def __init__(self, components: Mapping[str, Any]) -> None:
        self.components = components

    def of(self, schema: Mapping[str, Any], component: str = "", field: str = "") -> Any:
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            if name in BODIES:
                return BODIES[name]
            return self.of(self.components[name], name if "properties" in self.components[name] else component, field)
        if "const" in schema:
            return schema["const"]
        typical, is_known = self._typical(component, field)
        if "enum" in schema:
            return typical if typical in schema["enum"] else schema["enum"][0]
        if field in NULL and self._may_be_null(schema):
            return None
        for word in ("allOf", "oneOf", "anyOf"):
            if word in schema:
                branch = next(branch for branch in schema[word] if branch.get("type") != "null")
                return self.of(branch, component, field)
        return self._of_type(schema, component, field, typical if is_known else None)

    def _of_type(self, schema: Mapping[str, Any], component: str, field: str, typical: Any) -> Any:
        kind = schema.get("type")
        kind = next(one for one in kind if one != "null") if isinstance(kind, list) else kind
        if kind == "object" and "properties" in schema:
            return {name: self.of(inner, component, name) for name, inner in schema["properties"].items()}
        if kind == "object":
            return typical if isinstance(typical, dict) else {}
        if kind == "array":
            return typical if isinstance(typical, list) else [self.of(schema["items"], component, field.rstrip("s"))]
        if kind == "string":
            return self._text(schema, typical)
        if kind is None:
            return typical
        fitting: tuple[type, ...] = {"integer": (int,), "number": (int, float), "boolean": (bool,)}[kind]
        return typical if isinstance(typical, fitting) else {"integer": 1, "number": 1.5, "boolean": True}[kind]

    @staticmethod
    def _text(schema: Mapping[str, Any], typical: Any) -> str:
        if isinstance(typical, str) and schema.get("format") not in ("date-time", "date"):
            return typical if len(typical) <= schema.get("maxLength", len(typical)) else ""
        fixed = {"date-time": AT, "date": DAY, "uuid": ID, "decimal": "1.00", "email": "you@example.com"}
        return fixed.get(schema.get("format", ""), "…" if schema.get("maxLength", 1) else "")

    def _typical(self, component: str, field: str) -> tuple[Any, bool]:
        for name in (f"{component}.{field}", field):
            if name in VALUES:
                return VALUES[name], True
        return None, False

    def _may_be_null(self, schema: Mapping[str, Any]) -> bool:
        kind = schema.get("type")
        branches = [*schema.get("oneOf", ()), *schema.get("anyOf", ())]
        return (isinstance(kind, list) and "null" in kind) or any(one.get("type") == "null" for one in branches)
