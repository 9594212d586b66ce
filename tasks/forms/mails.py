"""Emails that wait for approval, as their readers would see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.urls import reverse

from tasks.fragments import file_icon
from tasks.fragments.lines import Argument, arguments_of, visible
from tasks.models import HumanRequest, Run

MAIL_TOOLS = frozenset({"email_report"})
LABELS = {"to": "To", "subject": "Subject", "body": "Text", "attachments": "Attachments"}
PHRASES = {"to": "the recipients", "subject": "the subject", "body": "the text", "attachments": "the attachments"}


@dataclass(frozen=True, slots=True)
class Attachment:
    """Attached file. Without `href` the run has no such file."""

    path: str
    icon: str
    size: int | None = None
    href: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """Arguments of a call as an email; invisible characters are written out."""

    sender_name: str
    sender: str
    to: Sequence[str]
    subject: str
    body: str
    attachments: Sequence[Attachment]
    others: Sequence[Argument]
    """Arguments that are no part of an email."""


def is_mail(asked: HumanRequest) -> bool:
    """Return True if the call is an email of the usual form; any other is shown as its arguments."""
    values = asked.arguments or {}
    return (
        asked.tool in MAIL_TOOLS
        and all(isinstance(values.get(name), str) for name in ("subject", "body"))
        and _is_texts(values.get("to"))
        and _is_texts(values.get("attachments", []))
    )


def mail_of(asked: HumanRequest) -> Mail | None:
    if not is_mail(asked):
        return None
    values: Mapping[str, Any] = asked.arguments or {}
    name, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    return Mail(
        sender_name=name,
        sender=address,
        to=[visible(one) for one in _texts(values["to"])],
        subject=visible(values["subject"]),
        body=visible(values["body"]),
        attachments=_attachments(asked.run, _texts(values.get("attachments", []))),
        others=arguments_of({name: value for name, value in values.items() if name not in LABELS}),
    )


def _is_texts(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(one, str) for one in value))


def _texts(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _attachments(run: Run, paths: Sequence[str]) -> list[Attachment]:
    if not paths:
        return []
    place = {"team": run.team.slug, "run_id": run.pk}
    found: dict[str, tuple[int, str]] = {}
    for given in run.inputs.select_related("file").filter(name__in=paths):
        link = reverse("tasks:run_input", kwargs=place | {"input_id": given.pk})
        found[given.name] = (given.file.size, link)
    for made in run.artifacts.select_related("file").filter(path__in=paths):
        link = reverse("tasks:artifact_detail", kwargs=place | {"artifact_id": made.pk})
        found[made.path] = (made.file.size, link)
    return [Attachment(visible(path), file_icon(path), *found.get(path, (None, ""))) for path in paths]
