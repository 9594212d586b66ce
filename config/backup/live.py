"""Runs that had not ended when a backup was made, and those that may repeat an effect after a restore."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import psycopg
from psycopg.rows import DictRow

from tasks.models import LIVE
from tools import catalog
from tools.spec import Effect, Policy

MOST_LISTED = 1000
_RUNS = """
SELECT run.id::text, run.title, run.status, run.waiting_kind, team.slug AS team, agent.name AS agent, version.tools,
       (SELECT array_agg(step.tool ORDER BY step.index) FROM tasks_step step
        WHERE step.run_id = run.id AND step.kind = 'tool' AND step.status = 'intent') AS calling
FROM tasks_run run
JOIN accounts_team team ON team.id = run.team_id
JOIN agents_agent agent ON agent.id = run.agent_id
JOIN agents_agentversion version ON version.id = run.version_id
WHERE run.status = ANY(%s) ORDER BY run.id
"""


def found(db: psycopg.Connection[DictRow]) -> dict[str, Any]:
    """Return `counts` by status, `calling` (effectful calls without a result) and `acting` (runs whose agent can have
    effects).
    """
    rows = db.execute(_RUNS, [list(LIVE)]).fetchall()
    calling = [_described(row) | {"tools": tools} for row in rows if (tools := _effectful(row["calling"] or []))]
    acting = [_described(row) | {"tools": tools} for row in rows if (tools := _effectful(_allowed(row["tools"])))]
    return {
        "counts": dict(Counter(row["status"] for row in rows)),
        "calling": calling[:MOST_LISTED],
        "acting": acting[:MOST_LISTED],
        "acting_count": len(acting),
    }


def _described(row: DictRow) -> dict[str, Any]:
    return {name: row[name] for name in ("id", "title", "team", "agent", "status")}


def _allowed(tools: Iterable[Mapping[str, str]]) -> list[str]:
    return [tool["tool"] for tool in tools if tool["policy"] != Policy.DENY]


def _effectful(names: Iterable[str]) -> list[str]:
    """Return the tools with effects. Unknown tools count as effectful: nothing is known about them."""
    return [name for name in names if name not in catalog.BUILTIN or catalog.builtin(name).effect == Effect.EFFECTFUL]


def report_lines(live: Mapping[str, Any], made_at: str) -> Iterator[str]:
    """Yield the lines that tell an operator what happens to these runs after the restore."""
    counts: Mapping[str, int] = live["counts"]
    if not counts:
        yield "No run was under way."
        return
    by_status = ", ".join(f"{number} {status.replace('_', ' ')}" for status, number in sorted(counts.items()))
    yield f"Runs under way at that moment, which go on when Deskhand starts: {by_status}."
    if live["calling"]:
        yield ""
        yield "In the middle of a call that acts outside. Each will ask a person whether it happened:"
        yield from map(_line, live["calling"])
    if live["acting"]:
        yield ""
        yield f"What these did after {made_at} is not in the backup, so they may do it a second time."
        yield "Only a tool that needs an approval asks first:"
        yield from map(_line, live["acting"])
        if live["acting_count"] > len(live["acting"]):
            yield f"  … and {live['acting_count'] - len(live['acting'])} more."
        yield "To stop them all instead, restore with --cancel-acting."


def _line(run: Mapping[str, Any]) -> str:
    return f"  {run['id']}  {run['team']} · {run['agent']} · {run['title']} ({', '.join(run['tools'])})"
