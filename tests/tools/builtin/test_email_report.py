from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from email.message import EmailMessage as Parsed
from typing import Any

import pytest
from django.core import mail

from accounts.models import Team, User
from tests.standins.smtp import MailStandIn
from tools import runner
from tools.builtin import email_report
from tools.errors import OutcomeUnknown
from tools.spec import Effect, Policy, ToolContext, ToolResult

WORDS = {"subject": "Refunds", "body": "See the report."}


@pytest.fixture
def desk(ctx: ToolContext, team: Team, alice: User, bob: User) -> ToolContext:
    (ctx.workspace / "report.md").write_text("# Größe")
    (ctx.workspace / "chart.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return replace(ctx, team_id=str(team.pk))


def send(desk: ToolContext, **arguments: Any) -> ToolResult:
    return runner.run_tool(email_report.SPEC, desk, {**WORDS, **arguments})


def test_files_are_mailed_to_a_member(desk: ToolContext) -> None:
    result = send(desk, to="Alice@Example.com", attachments=["report.md", "./chart.png", "report.md"])

    assert result.content == "Sent 'Refunds' to alice@example.com with report.md, chart.png."
    assert result.data == {"to": ["alice@example.com"], "subject": "Refunds", "attachments": ["report.md", "chart.png"]}
    [sent] = mail.outbox
    parsed: Parsed = sent.message()  # type: ignore[assignment]
    assert (sent.subject, sent.to, sent.cc, sent.bcc) == ("Refunds", ["alice@example.com"], [], [])
    assert sent.body.startswith("See the report.\n\n-- \nWritten by an AI agent")
    assert [(name, kind) for name, _, kind in sent.attachments] == [
        ("report.md", "text/markdown"),
        ("chart.png", "image/png"),
    ]
    assert parsed["Message-ID"] == email_report.message_id(desk.idempotency_key)


def test_a_repeat_carries_the_same_message_id_and_another_call_another(desk: ToolContext) -> None:
    send(desk, to="bob@example.com")
    send(desk, to="bob@example.com")
    send(replace(desk, idempotency_key="key-2"), to="bob@example.com")

    ids = [sent.message()["Message-ID"] for sent in mail.outbox]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    "to", ["charlie@example.com", ["alice@example.com", "charlie@example.com"], "nobody@evil.test"]
)
def test_only_members_of_the_team_are_mailed(desk: ToolContext, charlie: User, to: Any) -> None:
    result = send(desk, to=to)

    assert result.is_error
    assert "is not one. Members: alice@example.com, bob@example.com." in result.content
    assert mail.outbox == []


def test_a_member_who_was_switched_off_is_not_mailed(desk: ToolContext, bob: User) -> None:
    bob.is_active = False
    bob.save()

    assert send(desk, to="bob@example.com").is_error
    assert mail.outbox == []


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"attachments": ["missing.md"]}, "There is no file 'missing.md'"),
        ({"attachments": ["../secret"]}, "may not lead out"),
        ({"attachments": ["big.bin"]}, "larger than 10 MB"),
    ],
)
def test_nothing_is_sent_when_an_attachment_fails(desk: ToolContext, more: dict[str, Any], why: str) -> None:
    (desk.workspace / "big.bin").write_bytes(bytes(10 * 1024 * 1024 + 1))

    result = send(desk, to="alice@example.com", **more)

    assert result.is_error
    assert why in result.content
    assert mail.outbox == []


def test_a_subject_cannot_add_headers(desk: ToolContext) -> None:
    send(desk, to="alice@example.com", subject="Hello\r\nBcc: evil@evil.test")

    [sent] = mail.outbox
    assert sent.subject == "Hello Bcc: evil@evil.test"
    assert sent.recipients() == ["alice@example.com"]
    assert sent.message()["Bcc"] is None


@pytest.fixture
def by_smtp(settings: Any) -> Callable[[int], None]:
    def use(port: int) -> None:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port

    return use


def test_a_mail_server_that_cannot_be_reached_or_refuses_sent_nothing(
    desk: ToolContext, by_smtp: Callable[[int], None]
) -> None:
    by_smtp(1)
    assert send(desk, to="alice@example.com").content.startswith("The mail server cannot be reached, so nothing")

    with MailStandIn("refuse") as server:
        by_smtp(server.port)
        result = send(desk, to="alice@example.com")

    assert (result.is_error, result.content.startswith("The mail server refused the message")) == (True, True)


def test_the_effect_begins_when_all_is_ready_and_before_anything_is_sent(
    desk: ToolContext, by_smtp: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    by_smtp(1)
    with_mark = replace(desk, begin_effect=lambda: begun.append(len(server.messages)))
    for arguments in ({"to": "nobody@example.com"}, {"to": "alice@example.com", "attachments": ["missing.md"]}, {}):
        send(with_mark, **{"to": "alice@example.com", **arguments})
    assert begun == []

    with MailStandIn("take") as server:
        by_smtp(server.port)
        send(with_mark, to="alice@example.com")
        monkeypatch.setattr(email_report, "_IDLE_S", 0.0)  # and when committing took long, over a new connection
        send(with_mark, to="alice@example.com")

    assert (begun, len(server.messages)) == ([0, 1], 2)


def test_a_mail_server_that_falls_silent_leaves_the_outcome_unknown(
    desk: ToolContext, by_smtp: Callable[[int], None]
) -> None:
    with MailStandIn("drop") as server:
        by_smtp(server.port)
        with pytest.raises(OutcomeUnknown, match=r"did not confirm the message \(SMTPServerDisconnected\)"):
            send(desk, to="alice@example.com")

    assert len(server.messages) == 1


def test_a_mail_server_that_takes_it_has_it_once(desk: ToolContext, by_smtp: Callable[[int], None]) -> None:
    with MailStandIn("take") as server:
        by_smtp(server.port)
        result = send(desk, to="alice@example.com")

    assert (result.is_error, len(server.messages)) == (False, 1)


def test_it_asks_by_default_and_is_never_repeated_silently() -> None:
    assert email_report.SPEC.default_policy is Policy.ASK
    assert email_report.SPEC.effect is Effect.EFFECTFUL
    assert email_report.SPEC.headline({"to": ["a@b.c", "d@e.f"], "subject": "Hi\n"}) == "Email a@b.c, d@e.f: Hi"
