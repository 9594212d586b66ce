"""Table of the kinds of requests to people: their words, icon, form, decisions and what an answer does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.models import HumanRequest, RequestKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    label: str
    """Short name, on the inbox and in its filter."""
    does: str
    """Verb phrase that follows the agent's name: "has a question"."""
    action: str
    """Button of the mail and the bell."""
    icon: str
    why: str = ""
    """Text below the title where the request brings none."""
    decisions: tuple[str, ...] = ()
    """Decisions of an answer. Empty for a kind that is answered by a value."""
    template: str = "tasks/_request_decision.html"
    """Form of the open request. The default has a note and `buttons`."""
    buttons: tuple[tuple[str, str, str], ...] = ()
    """Buttons of the default template: decision, text and style of each button."""
    by_approvers: bool = False
    """Decided by those whom the agent names as approvers."""
    ends_run: bool = False
    """The answer decides how the run ends. Otherwise it continues the run, which reads the answer at the same step."""


KINDS: dict[str, Kind] = {
    RequestKind.QUESTION: Kind(
        label="Question",
        does="has a question",
        action="Answer",
        icon="message-circle-question-mark",
        template="tasks/_request_question.html",
    ),
    RequestKind.APPROVAL: Kind(
        label="Approval",
        does="asks for approval",
        action="Look and decide",
        icon="hand",
        decisions=("approve", "reject", "edit"),
        template="tasks/_request_approval.html",
        by_approvers=True,
    ),
    RequestKind.REVIEW: Kind(
        label="Review",
        does="wants a review",
        action="Review the result",
        icon="eye",
        why="Read the result and open the files, then decide. The run counts as done once you approve it.",
        decisions=("approve", "reject", "revise"),
        template="tasks/_request_review.html",
        ends_run=True,
    ),
    RequestKind.BUDGET: Kind(
        label="Budget",
        does="waits for money",
        action="Look at the budget",
        icon="wallet",
        decisions=("raise", "stop"),
        template="tasks/_request_budget.html",
    ),
    RequestKind.UNKNOWN_EFFECT: Kind(
        label="What happened?",
        does="does not know what happened",
        action="Look and decide",
        icon="circle-question-mark",
        decisions=("happened", "retry", "skip"),
        buttons=(
            ("happened", "It did happen", "btn-primary"),
            ("retry", "It did not, try again", ""),
            ("skip", "Leave it out", "btn-ghost"),
        ),
        by_approvers=True,
    ),
    RequestKind.NO_PROGRESS: Kind(
        label="Stuck",
        does="is stuck",
        action="Look and decide",
        icon="circle-pause",
        decisions=("continue", "stop"),
        buttons=(("continue", "Let it go on", "btn-primary"), ("stop", "Stop the run", "btn-danger-quiet")),
    ),
}


def kind_of(asked: HumanRequest) -> Kind:
    return KINDS[asked.kind]


def labels() -> Mapping[str, str]:
    """Return the label of each kind, in the order of the table."""
    return {name: kind.label for name, kind in KINDS.items()}
