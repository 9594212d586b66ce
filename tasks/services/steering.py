"""Messages to a live run."""

from __future__ import annotations

from django.db import transaction

from accounts import audit, strict_json
from accounts.errors import Conflict, FieldError, InvalidInput
from accounts.models import User
from tasks import event_log, events
from tasks.models import Run, RunKind, RunStatus

MAX_MESSAGE = 20_000
"""Characters of one message."""


@transaction.atomic
def steer_run(*, run: Run, actor: User, text: str) -> Run:
    """Send a message to a live run.

    The model reads it in its next turn, and the run does not end before. Raises InvalidInput, Conflict.
    """
    text = text.strip()
    problem = "" if text else "Write something first."
    if len(text) > MAX_MESSAGE:
        problem = f"This is {len(text):,} characters long. The agent can be told {MAX_MESSAGE:,} at a time."
    if strict_json.is_unstorable(text):
        problem = "The text holds a NUL or half a character. Remove it and send it again."
    if problem:
        raise InvalidInput(problem, fields=[FieldError("text", "invalid", problem)])
    run = Run.objects.select_for_update(of=("self",)).select_related("team").get(pk=run.pk)
    if run.is_terminal:
        raise Conflict(f"The run has already ended ({run.get_status_display().lower()}). Start or fork another one.")
    if run.status == RunStatus.NEEDS_REVIEW:
        raise Conflict("The result is in review. Ask for changes there (decision “revise”).")
    if run.kind == RunKind.REPLAY:
        raise Conflict("A replay follows its records and hears nobody.")
    event_log.append(run, events.Message(step=0, role="person", text=text, by=actor.display_name))
    Run.objects.filter(pk=run.pk).update(last_message_seq=run.last_seq)
    audit.record(team=run.team, actor=actor, action="run.steered", target=run, seq=run.last_seq)
    return run
