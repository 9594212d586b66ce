"""Tool that mails files of the run to a member of the team. By default a person approves each call."""

from __future__ import annotations

import hashlib
import mimetypes
import smtplib
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from email.utils import parseaddr
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from accounts.models import User
from tools import workspace
from tools.errors import OutcomeUnknown, ToolFailed
from tools.spec import Effect, Policy, ToolContext, ToolResult, ToolSpec
from tools.text import clean, shorten

MAX_ATTACHED = 10 * 1024 * 1024
"""Bytes of all attachments together."""
_MOST_NAMED = 20
"""Addresses of members that an error message lists."""
_IDLE_S = 5.0
"""Seconds after which an idle connection is reopened before anything is sent."""


def run(ctx: ToolContext, arguments: Mapping[str, Any]) -> ToolResult:
    asked = arguments["to"]
    people = _members(ctx.team_id, [asked] if isinstance(asked, str) else list(asked))
    subject = shorten(str(arguments["subject"]), 200)
    message = EmailMessage(
        subject=subject,
        body=_body(ctx, str(arguments["body"])),
        to=[person.email for person in people],
        headers={"Message-ID": message_id(ctx.idempotency_key), "Auto-Submitted": "auto-generated"},
    )
    files = [workspace.normalise(path) for path in dict.fromkeys(arguments.get("attachments", []))]
    for name, content in _contents(ctx, files):
        message.attach(name.rsplit("/", 1)[-1], content, mimetypes.guess_type(name)[0] or "application/octet-stream")
    _send(ctx, message)
    sent_to = ", ".join(message.to)
    attached = f" with {', '.join(files)}" if files else ""
    return ToolResult(
        content=f"Sent '{subject}' to {sent_to}{attached}.",
        summary=f"Emailed {sent_to}{attached}",
        data={"to": message.to, "subject": subject, "attachments": files},
    )


def _send(ctx: ToolContext, message: EmailMessage) -> None:
    """Send the message.

    Raises ToolFailed if it certainly was not sent, OutcomeUnknown if nobody can tell. Nothing of it is sent before the
    connection is open and the beginning of the effect is committed.
    """
    connection = get_connection()
    try:
        _open(connection)
        since = time.monotonic()
        ctx.begin_effect()
        if time.monotonic() - since > _IDLE_S:  # the server may have closed the connection
            connection.close()
            _open(connection)
        message.connection = connection
        message.send()
    except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused) as problem:
        raise ToolFailed(f"The mail server refused the message, so it was not sent: {problem}") from problem
    except (smtplib.SMTPException, OSError) as problem:
        raise OutcomeUnknown(f"The mail server did not confirm the message ({type(problem).__name__}).") from problem
    finally:
        with suppress(smtplib.SMTPException, OSError):
            connection.close()


def _open(connection: Any) -> None:
    try:
        connection.open()
    except (smtplib.SMTPException, OSError) as problem:
        raise ToolFailed("The mail server cannot be reached, so nothing was sent. Say so in the result.") from problem


def message_id(key: str) -> str:
    """Return the Message-ID, the same for every repeat of the call. Duplicates can be dropped by it."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{domain}>"


def _members(team_id: str, addresses: Sequence[str]) -> list[User]:
    """Return the people of these addresses. Raises ToolFailed if one is not an active member of the run's team."""
    members = User.objects.filter(memberships__team_id=UUID(team_id), is_active=True).order_by("email")
    by_address = {member.email.lower(): member for member in members}
    wanted = list(dict.fromkeys(address.strip().lower() for address in addresses))
    strangers = [address for address in wanted if address not in by_address]
    if strangers:
        known = ", ".join(list(by_address)[:_MOST_NAMED])
        raise ToolFailed(
            f"Only members of the team can be mailed, and {shorten(strangers[0], 100)} is not one. Members: {known}."
        )
    return [by_address[address] for address in wanted]


def _contents(ctx: ToolContext, files: Sequence[str]) -> list[tuple[str, bytes]]:
    found, total = [], 0
    for name in files:
        with workspace.open_read(ctx.workspace, name) as file:
            content = file.read(MAX_ATTACHED + 1)
        total += len(content)
        if total > MAX_ATTACHED:
            raise ToolFailed(f"The attachments are larger than {MAX_ATTACHED // 1024**2} MB together. Attach fewer.")
        found.append((name, content))
    return found


def _body(ctx: ToolContext, text: str) -> str:
    return f"{clean(text).strip()}\n\n-- \nWritten by an AI agent of your team on Deskhand, run {ctx.run_id}.\n"


SPEC = ToolSpec(
    name="email_report",
    title="Email a report",
    description=(
        "Send an email with files of this run to one or more members of the team; nobody else can be mailed. The "
        "text is plain text. A person usually approves the call first, so write it as it should arrive."
    ),
    icon="mail",
    input_schema={
        "type": "object",
        "properties": {
            "to": {
                "type": ["string", "array"],
                "minLength": 3,
                "maxLength": 254,
                "minItems": 1,
                "maxItems": 10,
                "items": {"type": "string", "minLength": 3, "maxLength": 254},
                "description": "Email address of a team member, or a list of them",
            },
            "subject": {"type": "string", "minLength": 1, "maxLength": 200},
            "body": {
                "type": "string",
                "minLength": 1,
                "maxLength": 20_000,
                "description": "The message, as plain text",
            },
            "attachments": {
                "type": "array",
                "maxItems": 10,
                "items": {"type": "string", "minLength": 1, "maxLength": 500},
                "description": "Names of files of this run, such as report.md",
            },
        },
        "required": ["to", "subject", "body"],
        "additionalProperties": False,
    },
    effect=Effect.EFFECTFUL,
    announces_effect=True,
    default_policy=Policy.ASK,
    timeout_s=60,
    max_output_chars=2000,
    run=run,
    headline=lambda arguments: shorten(
        f"Email {_listed(arguments.get('to', ''))}: {arguments.get('subject', '')}", 160
    ),
)


def _listed(to: object) -> str:
    return ", ".join(map(str, to)) if isinstance(to, list) else str(to)
