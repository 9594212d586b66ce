"""Checker of a storm: compares the clients' view, the database, the model's log and the receiver's count."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import boto3
from botocore.config import Config

from tasks.engine.human_requests import EXPIRES_AFTER
from tasks.models import TERMINAL
from tests.chaos.clients import World
from tests.chaos.installation import Desk
from tests.chaos.model import SCRIPTS
from tests.chaos.receiver import Effect

Check = Callable[["Checker"], Iterator[str]]
ASTRAY = timedelta(minutes=2)
NOTICED_S = 5.0
"""Seconds after which every worker knows of an outage."""
FREE_CALLS, PROBE_EVERY_S = 100, 3.0
"""Calls allowed during an outage: those already on their way, and one probe per PROBE_EVERY_S seconds."""
NOT_BILLED = ("model_rate_limit", "model_overloaded", "model_connection")
"""Errors after which the provider has done no work, so that the ledger needs no row."""
STORED = """
SELECT x.path, x.run_id, f.key, f.sha256 FROM tasks_artifact x JOIN storage_storedfile f ON f.id = x.file_id
"""


class Checker:
    """Checks of the promises; each yields one sentence per violation."""

    def __init__(self, desk: Desk, world: World) -> None:
        self.desk, self.world, self.history = desk, world, world.history
        self.runs = {str(row["id"]): row for row in desk.rows("SELECT * FROM tasks_run WHERE title LIKE 'chaos %%'")}
        self.events: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in desk.rows("SELECT run_id, seq, type, at, data FROM tasks_runevent ORDER BY run_id, seq"):
            self.events[str(row["run_id"])].append(row)

    def check(self) -> dict[str, list[str]]:
        return {name: list(check(self)) for name, check in CHECKS.items()}

    # ---- G1

    def lost(self) -> Iterator[str]:
        for run in self.history.started:
            if run not in self.runs:
                yield f"{run} was accepted and is not there"
        for run, row in self.runs.items():
            ends = [event["data"]["status"] for event in self.events[run] if event["type"] == "run.finished"]
            if row["status"] not in TERMINAL:
                yield f"{run} ({row['title']}) is {row['status']} {row['waiting_kind']} for ever"
            elif ends != [row["status"]] or self.events[run][-1]["type"] != "run.finished":
                yield f"{run} is {row['status']}, its events end with {ends}"
            if row["status"] == "failed" and not self._is_excused(run, row):
                yield f"{run} ({row['title']}) failed: {row['error_code']} {row['error_detail']}"
        for start in self.history.starts:
            if start.refused:
                yield f"{start.key} was refused: {start.refused}"
            elif not start.runs:
                yield f"{start.key} was never accepted"

    def _is_excused(self, run: str, row: dict[str, Any]) -> bool:
        """Return True if somebody decided the failure, or the run is one that kills workers. An outage is no excuse."""
        match row["error_code"]:
            case "budget_exhausted":
                return _kind(row) in ("costly", "review")
            case "worker_lost":
                return _kind(row) == "poison"
        return False

    # ---- G9

    def poison(self) -> Iterator[str]:
        for run, row in self.runs.items():
            if _kind(row) == "poison" and row["error_code"] != "worker_lost":
                yield f"{run} kills workers and is {row['status']} after {row['recoveries']} recoveries"

    def recovery_times(self) -> list[float]:
        """Return the seconds from the death of a worker to the takeover of each of its runs, sorted."""
        found = []
        for event in (event for events in self.events.values() for event in events if event["type"] == "attempt.lost"):
            pid, at = int(event["data"]["worker"].rpartition(":")[2]), event["at"].timestamp()
            known = [(when, is_dead) for when, one, is_dead in self.history.deaths if one == pid and when <= at]
            when, is_dead = max(known, default=(0.0, False))
            found += [at - when] if is_dead else []
        return sorted(found)

    # ---- G19

    def outage(self) -> Iterator[str]:
        """Check that no run failed because of the model's outage, and that few calls were made during it."""
        for run, row in self.runs.items():
            if row["status"] == "failed" and row["error_code"] in ("model_error", "timeout"):
                yield f"{run} ({row['title']}) did not wait: {row['error_code']} {row['error_detail']}"
        for began, ended in self.history.outages:
            most = FREE_CALLS + (ended - began) / PROBE_EVERY_S
            calls = self._calls_between(began + NOTICED_S, ended)
            if calls > most:
                yield f"{calls} calls in an outage of {ended - began:.0f} s, {most:.0f} were enough"

    def calls_in_outage(self) -> int:
        return sum(self._calls_between(began + NOTICED_S, ended) for began, ended in self.history.outages)

    def _calls_between(self, began: float, ended: float) -> int:
        every_event = (event for events in self.events.values() for event in events)
        return sum(1 for e in every_event if e["type"] == "model.started" and began <= e["at"].timestamp() <= ended)

    def model_waits(self) -> list[float]:
        """Return the seconds of each wait for the model, from its start to the next answer."""
        found = []
        for events in self.events.values():
            since: datetime | None = None
            for event in events:
                if event["type"] == "run.waiting" and event["data"]["kind"] == "model":
                    since = since or event["at"]
                elif event["type"] in ("model.finished", "run.finished") and since:
                    found.append((event["at"] - since).total_seconds())
                    since = None
        return sorted(found)

    # ---- G10

    def doubled_runs(self) -> Iterator[str]:
        made = Counter(row["metadata"].get("key") for row in self.runs.values())
        yield from (f"{key} made {count} runs" for key, count in made.items() if count > 1)
        for start in self.history.starts:
            if len(set(start.runs)) > 1:
                yield f"{start.key} was told {start.runs}"

    # ---- G11

    def doubled_starts(self) -> Iterator[str]:
        """Check that a planned run starts once and not early, whatever the number of schedulers."""
        for run, row in self.runs.items():
            if _kind(row) != "later":
                continue
            begun = [event["at"] for event in self.events[run] if event["type"] == "run.started"]
            due = [event for event in self.events[run] if event["data"].get("reason") == "scheduled"]
            if len(due) > 2:  # once when created, once when due
                yield f"{run} was queued at its time {len(due) - 1} times"
            if row["start_at"] and begun and begun[0] < row["start_at"]:
                yield f"{run} began {(row['start_at'] - begun[0]).total_seconds():.1f} s early"

    def wrong_times(self) -> Iterator[str]:
        """Check that times are those of the database, whatever the clocks of the workers say."""
        now = self.desk.rows("SELECT now() AS now")[0]["now"]
        for run, row in self.runs.items():
            for event in self.events[run]:
                if not row["created_at"] - ASTRAY <= event["at"] <= now + ASTRAY:
                    yield f"{run} says that {event['type']} was at {event['at']}"
        query = "SELECT run_id, kind, asked_at, expires_at FROM tasks_humanrequest WHERE expires_at IS NOT NULL"
        for asked in self.desk.rows(query):
            if not abs(asked["expires_at"] - asked["asked_at"] - EXPIRES_AFTER) < ASTRAY:
                yield f"a {asked['kind']} of {asked['run_id']} has until {asked['expires_at']}"

    # ---- G4, G5

    def doubled_steps(self) -> Iterator[str]:
        for run, events in self.events.items():
            settled: set[int] = set()
            for event in events:
                if event["type"] in ("model.started", "tool.started") and event["data"]["step"] in settled:
                    yield f"{run} took step {event['data']['step']} again"
                if event["type"] in ("model.finished", "tool.finished"):
                    if event["data"]["step"] in settled:
                        yield f"{run} settled step {event['data']['step']} twice"
                    settled.add(event["data"]["step"])

    def doubled_effects(self) -> Iterator[str]:
        for order, effects in self.desk.receiver.by_order().items():
            allowed = 1 + self.history.retries[order]
            if len(effects) > allowed:
                yield f"{order} of {effects[0].run} took effect {len(effects)} times, people allowed {allowed}"

    def lost_effects(self) -> Iterator[str]:
        took = {effect.run for effect in self.desk.receiver.effects}
        for run, events in self.events.items():
            for event in events:
                is_done = event["type"] == "tool.finished" and not event["data"]["is_error"]
                if is_done and event["data"]["tool"] == "deliver" and run not in took:
                    yield f"{run} says that it delivered, and nothing came"

    def effects_after_cancel(self) -> Iterator[str]:
        """Check that no call starts after a cancel. An earlier one may arrive when its paused worker resumes."""
        cancelled_at = {cancel.run: cancel.at for cancel in self.history.cancels}
        came: Counter[str] = Counter()
        for effect in self.desk.receiver.effects:
            came[effect.key] += 1
            at = cancelled_at.get(effect.run)
            if at is not None and effect.at > at + 0.5 and came[effect.key] > self._begun(effect, at):
                yield f"{effect.run} took effect {effect.at - at:.1f} s after its cancel"
        for run in cancelled_at:
            if self.runs[run]["status"] != "cancelled":
                yield f"{run} was cancelled and is {self.runs[run]['status']}"

    def _begun(self, effect: Effect, at: float) -> int:
        """Return how often that call had been started by then; 0 if each of these had finished."""
        step = int(effect.key.rpartition(":")[2])
        before = [event for event in self.events[effect.run] if event["at"].timestamp() <= at]
        types = [event["type"] for event in before if event["data"].get("step") == step]
        started = types.count("tool.started")
        return started if started > types.count("tool.finished") else 0

    def doubled_answers(self) -> Iterator[str]:
        yield from (f"request {one} took {n} answers" for one, n in self.history.answers.items() if n > 1)

    def needless_questions(self) -> Iterator[str]:
        """Check that people are asked whether a call happened only if it may have."""
        query = """
            SELECT q.run_id, s.index FROM tasks_humanrequest q
            JOIN tasks_step s ON s.run_id = q.run_id AND s.index = q.step_index
            WHERE q.kind = 'unknown_effect' AND s.effect_at IS NULL
        """
        for row in self.desk.rows(query):
            yield f"{row['run_id']} asks about step {row['index']}, which touched nothing"

    # ---- G8

    def missing_events(self) -> Iterator[str]:
        for run, row in self.runs.items():
            seqs = [event["seq"] for event in self.events[run]]
            if seqs != list(range(1, row["last_seq"] + 1)):
                yield f"{run} has {len(seqs)} events, the last is {row['last_seq']}"

    def missing_views(self) -> Iterator[str]:
        for view in self.history.views:
            yield from (f"a viewer of {view.run} got {trouble}" for trouble in view.trouble)
            last = self.runs[view.run]["last_seq"] if view.run in self.runs else 0
            if view.has_ended and view.seen != list(range(1, last + 1)):
                yield f"a viewer of {view.run} saw {len(view.seen)} of {last} events"
            if not view.has_ended:
                yield f"a viewer of {view.run} was never told its end (at {view.cursor} of {last})"

    # ---- G6, G7

    def ledger(self) -> Iterator[str]:
        rows = self.desk.rows("SELECT run_id, key, step_key, outcome, cost_usd FROM billing_usagerecord")
        by_call: dict[str, list[dict[str, Any]]] = defaultdict(list)
        charged: Counter[str] = Counter()
        for row in rows:
            by_call[row["step_key"]].append(row)
            charged[str(row["run_id"])] += row["cost_usd"] if row["outcome"] == "charged" else 0
        for run, row in self.runs.items():
            if row["cost_usd"] != charged[run]:
                yield f"{run} cost {row['cost_usd']}, its ledger says {charged[run]}"
            yield from self._calls_of(run, by_call)

    def _calls_of(self, run: str, by_call: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
        """Check that each call that was sent has the right rows in the ledger.

        It is charged if its answer was kept, unknown if there was none, and free if it came to a worker that had lost
        the run.
        """
        events = self.events[run]
        for place, event in enumerate(events):
            if event["type"] != "model.started":
                continue
            call = f"{run}:{event['data']['step']}:{event['data']['attempt']}"
            outcomes = sorted(row["outcome"] for row in by_call[call])
            if outcomes in (["charged"], ["unknown"], ["free", "unknown"]):
                continue
            after = next((e for e in events[place + 1 :] if e["type"] != "log"), None)
            was_lost = after is not None and after["type"] == "attempt.lost"
            if outcomes == ["free"] and (was_lost or self.runs[run]["status"] == "cancelled"):
                continue
            was_refused = after is not None and after["type"] == "error" and after["data"]["code"] in NOT_BILLED
            if outcomes or not was_refused:
                yield f"call {call} has {outcomes or 'no'} rows (then {after and after['type']})"

    def answers_of_the_model(self) -> Iterator[str]:
        """Check that each answer in the ledger was given, and that each unread one has an `unknown` row."""
        rows = self.desk.rows("SELECT run_id, provider_id, outcome FROM billing_usagerecord WHERE run_id IS NOT NULL")
        ours = [row for row in rows if str(row["run_id"]) in self.runs]
        given = self.desk.told_by_model()
        kept = {row["provider_id"] for row in ours if row["outcome"] != "unknown"}
        yield from (f"answer {key} is in the books and was never given" for key in kept - given)
        unheard, unknown = len(given - kept), sum(1 for row in ours if row["outcome"] == "unknown")
        if unheard > unknown:
            yield f"{unheard} answers were not heard, only {unknown} calls are noted as unknown"

    def overspent_usd(self) -> Decimal:
        """Return the largest excess of any budget or run over its limit, in USD."""
        over = [row["cost_usd"] - row["max_cost_usd"] for row in self.runs.values()]
        over += [row["spent_usd"] - row["limit_usd"] for row in self.desk.rows("SELECT * FROM billing_budget")]
        return Decimal(max(0, *over, *self.history.overspend.values()))

    def overspend(self) -> Iterator[str]:
        yield from (f"budget {budget} was ${usd} over its limit" for budget, usd in self.history.overspend.items())
        for budget in self.desk.rows("SELECT * FROM billing_budget"):
            if budget["spent_usd"] > budget["limit_usd"]:
                yield f"budget {budget['id']} of {budget['limit_usd']} has spent {budget['spent_usd']}"
            if budget["reserved_usd"] != 0:
                yield f"budget {budget['id']} still has {budget['reserved_usd']} reserved"
            charged = self.desk.rows(
                "SELECT COALESCE(sum(cost_usd), 0) AS total FROM billing_usagerecord WHERE outcome = 'charged'"
                " AND team_id = %s AND (%s::uuid IS NULL OR agent_id = %s)",
                budget["team_id"], budget["agent_id"], budget["agent_id"],
            )[0]["total"]  # fmt: skip
            if charged != budget["spent_usd"]:
                yield f"budget {budget['id']} has spent {budget['spent_usd']}, the ledger says {charged}"
        for row in self.desk.rows("SELECT key FROM billing_reservation"):
            yield f"{row['key']} is still reserved"
        for run, row in self.runs.items():
            if row["cost_usd"] > row["max_cost_usd"]:
                yield f"{run} cost {row['cost_usd']}, its limit is {row['max_cost_usd']}"

    # ---- G13, G17

    def open_requests(self) -> Iterator[str]:
        query = "SELECT q.id, q.kind, r.status FROM tasks_humanrequest q JOIN tasks_run r ON r.id = q.run_id"
        for row in self.desk.rows(f"{query} WHERE q.status = 'open'"):
            if row["status"] in TERMINAL:
                yield f"{row['kind']} {row['id']} is open although its run is {row['status']}"

    def artifacts(self) -> Iterator[str]:
        address = self.desk.addresses
        store = boto3.client(
            "s3", endpoint_url=address["S3_ENDPOINT_URL"], aws_access_key_id=address["S3_ACCESS_KEY_ID"],
            aws_secret_access_key=address["S3_SECRET_ACCESS_KEY"], region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )  # fmt: skip
        for row in self.desk.rows(STORED):
            try:
                content = store.get_object(Bucket=address["S3_BUCKET"], Key=row["key"])["Body"].read()
            except Exception as error:
                yield f"{row['path']} of {row['run_id']} is not in the store: {error}"
                continue
            if hashlib.sha256(content).hexdigest() != row["sha256"]:
                yield f"{row['path']} of {row['run_id']} is damaged"

    def missing_files(self) -> Iterator[str]:
        """Check that a run that succeeded has the last version of every file that it wrote."""
        kept: dict[str, dict[str, str]] = defaultdict(dict)
        for row in self.desk.rows(STORED):
            kept[str(row["run_id"])][row["path"]] = row["sha256"]
        for run, row in self.runs.items():
            if row["status"] != "succeeded" or _kind(row) != "files":
                continue
            calls = [call for turn in SCRIPTS["files"](row["title"].split()[2]) for _, call in turn]
            wanted = {call["path"]: hashlib.sha256(call["content"].encode()).hexdigest() for call in calls}
            if kept[run] != wanted:
                yield f"{run} wrote {sorted(wanted)}, kept as they were written are {sorted(_same(wanted, kept[run]))}"


def _same(one: dict[str, str], other: dict[str, str]) -> list[str]:
    return [path for path, digest in one.items() if other.get(path) == digest]


def _kind(row: dict[str, Any]) -> str:
    return str(row["title"].split()[1])


CHECKS: dict[str, Check] = {
    "lost": Checker.lost,
    "poison not stopped": Checker.poison,
    "failed by the outage": Checker.outage,
    "doubled runs": Checker.doubled_runs,
    "doubled starts": Checker.doubled_starts,
    "times wrong": Checker.wrong_times,
    "doubled steps": Checker.doubled_steps,
    "doubled effects": Checker.doubled_effects,
    "effects lost": Checker.lost_effects,
    "doubled answers": Checker.doubled_answers,
    "needless questions": Checker.needless_questions,
    "after cancel": Checker.effects_after_cancel,
    "events missing": Checker.missing_events,
    "views wrong": Checker.missing_views,
    "ledger wrong": Checker.ledger,
    "model unaccounted": Checker.answers_of_the_model,
    "overspend": Checker.overspend,
    "open requests": Checker.open_requests,
    "artifacts wrong": Checker.artifacts,
    "files missing": Checker.missing_files,
}
