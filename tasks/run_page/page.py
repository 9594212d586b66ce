"""Contents of a run's page besides its history."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.models import User
from agents.models import Runtime
from tasks import events, fragments
from tasks.frames import frame_of
from tasks.models import TERMINAL, WAITS_BY_ITSELF, HumanRequest, Run, RunEvent, RunKind, RunStatus
from tasks.run_page.queue_position import QueuePosition, queue_position
from tasks.run_page.related_runs import beside
from tasks.run_page.work_done import WorkDone, work_done
from tasks.services.continuing import why_not
from tasks.services.effects import Effect, effects_of
from tasks.services.outages import Outage, outage_of

DOING = ("activity", "model.started", "tool.started", "progress")
MAX_STEPS = 40
"""Reported steps that are shown."""
MAX_DOCUMENTS = 6
"""Delivered documents, and pictures, that the result shows in full."""
HINTS = {
    "timeout": "What it delivered so far is kept. Continued, it has the same time once more.",
    "turn_limit": "What it delivered so far is kept. Continued, it has as many turns once more.",
    "budget_exhausted": "What it delivered so far is kept. Continued, it asks for money again before its next call.",
    "model_error": "Nothing is wrong with the task, and what is done stays done.",
    "model_refused": "Say what you need in other words, then run it again.",
    "bad_output": "The agent did not deliver what the task declares. Check the schema and the required files.",
    "no_result": "The reason says what is missing. Run it again with another file or in other words.",
    "worker_lost": "What is done stays done. Continued, it is recovered as often as a new run.",
    "no_approver": "Once somebody can approve, continue it, or run it again with the agent as it is today.",
    "agent_removed": "Start again with another agent.",
    "no_progress": "Look at the last steps in the log before you run it again.",
    "internal": "It is logged, and what is done stays done. Continuing may help.",
}


@dataclass(frozen=True, slots=True)
class FileLine:
    """File in a list."""

    pk: UUID | int
    path: str
    size: int
    version: int = 1

    @property
    def icon(self) -> str:
        return fragments.file_icon(self.path)

    @property
    def is_image(self) -> bool:
        return fragments.is_image(self.path)

    @property
    def suffix(self) -> str:
        return self.path.rpartition(".")[2].lower()

    @property
    def stem(self) -> str:
        return self.path.rpartition(".")[0]


@dataclass(frozen=True)
class RunPage:
    """Run as one viewer sees it."""

    run: Run
    may_act: bool
    viewer: User | None = None
    """Viewer; None for anyone with a shared link."""

    @property
    def is_public(self) -> bool:
        return self.viewer is None

    @property
    def is_live(self) -> bool:
        return self.run.status not in TERMINAL

    @property
    def is_over(self) -> bool:
        """True if the agent has done its part."""
        return not self.is_live or self.run.status == RunStatus.NEEDS_REVIEW

    @property
    def may_hear(self) -> bool:
        """True if this viewer can send the run a message. It is read now, or after a review that asks for changes."""
        return self.may_act and self.is_live and self.run.kind != RunKind.REPLAY

    @property
    def is_demo(self) -> bool:
        return self.run.version.runtime == Runtime.DEMO

    @property
    def is_working(self) -> bool:
        return self.run.status == RunStatus.RUNNING

    @property
    def elapsed_s(self) -> float | None:
        """Seconds since the start, including waits for people; None before it."""
        if self.run.started_at is None:
            return None
        return ((self.run.finished_at or timezone.now()) - self.run.started_at).total_seconds()

    @cached_property
    def worked_s(self) -> float:
        """Seconds of work so far: those that are settled and, while it runs, those since its last event."""
        settled: float = self.run.active_s
        if not self.is_working:
            return settled
        last = self.run.events.filter(seq=self.run.last_seq).values_list("at", flat=True).first()
        return settled + max((timezone.now() - last).total_seconds(), 0) if last else settled

    @property
    def waited_s(self) -> float:
        """Seconds since it started in which nothing worked on it."""
        return max((self.elapsed_s or 0) - self.worked_s, 0)

    @cached_property
    def line(self) -> QueuePosition | None:
        """Place of the run among the queued runs, for people of the team."""
        is_queued = self.run.status == RunStatus.QUEUED and not self.is_public
        return queue_position(self.run) if is_queued else None

    @cached_property
    def work(self) -> WorkDone:
        return work_done(self.run)

    @property
    def tokens_in(self) -> int:
        return self.run.input_tokens + self.run.cache_read_tokens + self.run.cache_write_tokens

    @property
    def is_started(self) -> bool:
        return self.is_live and self.run.started_at is not None

    @property
    def hint(self) -> str:
        return HINTS.get(self.run.error_code, "")

    @cached_property
    def effects(self) -> list[Effect]:
        """Effects of a finished run, which running it again may repeat."""
        return effects_of([self.run])[self.run.pk] if not self.is_live else []

    @cached_property
    def may_continue(self) -> bool:
        """True if this viewer can continue the failed run."""
        return self.may_act and self.run.status == RunStatus.FAILED and not self.why_not_continue

    @cached_property
    def why_not_continue(self) -> str:
        return why_not(self.run)

    @property
    def outage(self) -> Outage | None:
        """Outage of the model that the run waits for, or None."""
        return outage_of(self.run)

    def asked(self) -> HumanRequest | None:
        found = HumanRequest.objects.filter(run=self.run).open().select_related("answered_by").first()
        if found:
            found.run = self.run
        return found

    @cached_property
    def files(self) -> list[FileLine]:
        """Delivered files."""
        found = self.run.artifacts.select_related("file").order_by("path")
        return [FileLine(one.pk, one.path, one.file.size, one.version) for one in found]

    @property
    def documents(self) -> list[FileLine]:
        """Delivered texts and tables that the result shows in full, a report first."""
        texts = [one for one in self.files if one.suffix in ("md", "markdown")]
        texts.sort(key=lambda one: not one.path.rpartition("/")[2].lower().startswith("report"))
        tables = [one for one in self.files if one.suffix in ("csv", "tsv")]
        return [*texts, *tables][:MAX_DOCUMENTS]

    @property
    def pictures(self) -> list[FileLine]:
        """Return the delivered pictures that the answer does not show; of one in several formats, the SVG."""
        found: dict[str, FileLine] = {}
        for one in sorted(self.files, key=lambda one: one.suffix != "svg"):
            if one.is_image and not re.search(rf"!\[[^]]*]\((\./)?{re.escape(one.stem)}\.\w+", self.answer_text):
                found.setdefault(one.stem, one)
        return sorted(found.values(), key=lambda one: one.path)[:MAX_DOCUMENTS]

    @cached_property
    def inputs(self) -> list[FileLine]:
        """Input files."""
        found = self.run.inputs.select_related("file").order_by("name")
        return [FileLine(one.pk, one.name, one.file.size) for one in found]

    @property
    def answer_text(self) -> str:
        """Result as Markdown, if it is a text."""
        return self.run.output if isinstance(self.run.output, str) else ""

    def linked_files(self, base: str = "") -> dict[str, dict[str, str]]:
        """Return the URLs of delivered files that a text may show or link to.

        `base` is the relative URL of the run's own page.
        """
        return {
            "images": {one.path: f"{base}artifacts/{one.pk}/raw/" for one in self.files if one.is_image},
            "pages": {one.path: f"{base}artifacts/{one.pk}/" for one in self.files},
        }

    @property
    def answer_json(self) -> str:
        output = self.run.output
        return "" if output is None or isinstance(output, str) else json.dumps(output, indent=2, ensure_ascii=False)

    @cached_property
    def neighbours(self) -> dict[str, Run | None]:
        """Return the next newer and older run of the same task. Without a task they are of the same agent."""
        same = beside(self.run)
        same = same.filter(task=self.run.task) if self.run.task else same.filter(agent=self.run.agent)
        return {
            "newer": same.filter(pk__gt=self.run.pk).order_by("pk").first(),
            "older": same.filter(pk__lt=self.run.pk).order_by("-pk").first(),
        }

    def plan(self) -> SafeString | None:
        """Return the agent's present plan as HTML, or None."""
        last = self.run.events.filter(type="plan").order_by("-seq").first()
        return fragments.plan_html(_typed(last, events.Plan)) if last else None

    @cached_property
    def steps(self) -> Sequence[events.Progress]:
        """Reported steps, each once, in order."""
        told = self.run.events.filter(type="progress").order_by("-seq")[: MAX_STEPS * 3]
        steps: dict[str, events.Progress] = {}
        for event in reversed(told):
            steps[str(event.data.get("label"))] = _typed(event, events.Progress)
        return list(steps.values())[-MAX_STEPS:]

    @property
    def segs(self) -> SafeString | str:
        return fragments.progress_segs(self.steps[-1], state=self._segs_state) if self.steps else ""

    @property
    def _segs_state(self) -> str:
        if self.is_over:
            return "done"
        is_asking = self.run.status == RunStatus.WAITING and self.run.waiting_kind not in WAITS_BY_ITSELF
        return "wait" if is_asking else "now"

    @property
    def step_lines(self) -> list[SafeString]:
        return [fragments.step_html(step) for step in self.steps]

    def now(self) -> SafeString | None:
        """Return the agent's present activity by its last events, or None."""
        last = self.run.events.filter(type__in=DOING).order_by("-seq")[:3]
        return next((told for event in last if (told := fragments.now_html(frame_of(event)))), None)


def _typed(event: RunEvent, cls: type[Any]) -> Any:
    return events.parse(event.type, event.data)
