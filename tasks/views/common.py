"""Contexts that the pages of runs share."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from accounts.tenancy import TeamRequest, may
from tasks.forms.answers import request_context
from tasks.live import history
from tasks.live.hub import cursor
from tasks.models import Run
from tasks.run_page.page import RunPage


def run_or_404(request: TeamRequest, run_id: UUID) -> Run:
    return get_object_or_404(Run.objects.visible_to(request.access).with_people_words(), pk=run_id)


def page_of(request: TeamRequest, run: Run) -> RunPage:
    return RunPage(run, may_act=may(request.role, "runs:write"), viewer=request.user)


def state_context(page: RunPage) -> dict[str, Any]:
    """Return the context of what changes with the run's status and the viewer."""
    asked = page.asked()
    return {
        "page": page,
        "run": page.run,
        "may_act": page.may_act,
        "files": page.files,
        "output_text": page.answer_text,
        "linked_files": page.linked_files(),
        "output_json": page.answer_json,
        "now": page.now() if page.is_working else None,
        **(request_context(asked, viewer=page.viewer) if asked else {"asked": None}),
    }


def page_context(request: HttpRequest, page: RunPage, *, socket: str) -> dict[str, Any]:
    """Return the context of a run's whole page; `?before=SEQ` shows an older part of its history."""
    before = request.GET.get("before", "")
    newest = page.run.last_seq + 1
    shown = history.activity(page.run, before=min(cursor(before) or newest, newest))
    has_answer = bool(page.run.output) and page.is_over
    return state_context(page) | {
        "socket": socket,
        "history": shown,
        "inputs": page.inputs,
        "plan": page.plan(),
        "progress": page.steps[-1] if page.steps else None,
        "tab": "result" if has_answer and not before else "activity",
    }
