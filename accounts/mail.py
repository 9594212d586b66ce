"""Outbox for mail: written in the transaction that causes it, sent afterwards, retried for a day.

No request waits for a mail server. An attempt first moves `next_try_at` behind a lease, so that two workers do not
send one mail. A process that dies while sending leaves a row that is tried again with the same Message-ID.
"""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Mapping
from datetime import timedelta
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.core.validators import validate_email
from django.db import transaction
from django.db.models.functions import Now
from django.template import Context
from django.template.loader import get_template, render_to_string
from django.utils import timezone

from accounts import hooks, queue
from accounts.errors import InvalidInput
from accounts.masking import mask
from accounts.models import Channel, MailStatus, Membership, Notification, OutgoingMail
from accounts.models.notifications import channels_of

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=5)
"""Time that an attempt may take. Much longer than EMAIL_TIMEOUT, which bounds each command to the server."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 30, 3600
"""Seconds before the second attempt, and longest pause; each pause is twice the one before."""
GIVE_UP_AFTER = timedelta(hours=24)
"""Age at which a mail that was not accepted fails."""
NOT_IN_TEAM = "They are no longer in the team."
KEEP_SENT, KEEP_FAILED = timedelta(days=7), timedelta(days=30)
"""Age at which ended mails are deleted: sent or dropped ones, and failed ones."""


def send_mail_later(
    *,
    to: str,
    template: str,
    context: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
    notification: Notification | None = None,
    after: timedelta = timedelta(0),
) -> OutgoingMail:
    """Queue `templates/mail/<template>_subject.txt`, `.txt` and `.html` to the address, to be sent after the commit.

    The context is kept as JSON until the mail is sent; every template also gets `base_url`. A mail about a
    notification is dropped if the notification is out of date when the mail is due. Raises InvalidInput if `to` is no
    address.
    """
    try:
        validate_email(to)
    except ValidationError as error:
        raise InvalidInput("This is not an email address.") from error
    for name in _names(template):
        get_template(name)
    mail = OutgoingMail.objects.create(
        to=to,
        template=template,
        context=dict(context),
        headers=dict(headers or {}),
        notification=notification,
        next_try_at=Now() + after,  # the database's clock, which `due` compares with
    )
    if not after:
        transaction.on_commit(queue.wake_mailer)
    return mail


def _names(template: str) -> tuple[str, str, str]:
    return f"mail/{template}_subject.txt", f"mail/{template}.txt", f"mail/{template}.html"


def send_next() -> bool:
    """Try the mail that has been due longest. Return False if none is due."""
    mail = OutgoingMail.objects.take(lease=LEASE)
    if mail is None:
        return False
    if mail.notification is not None and (why := out_of_date(mail.notification, by_mail=True)):
        _end(mail, MailStatus.DROPPED, error=why)
        return True
    try:
        message_of(mail).send()
    except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError) as error:
        if _is_final(error):
            _end(mail, MailStatus.FAILED, error=f"The mail server refused it: {error}")
        else:
            _schedule_retry(mail, error)
    except Exception as error:  # of any kind: this mail is retried, and the others are sent all the same
        _schedule_retry(mail, error)
    else:
        _end(mail, MailStatus.SENT)
    return True


def out_of_date(notification: Notification, *, by_mail: bool = False) -> str:
    """Return why the person need not be told any more, or ""."""
    if by_mail and notification.read_at is not None:
        return "It was read in Deskhand."
    if notification.settled_at is not None:
        return "It has been dealt with."
    person = notification.person
    here = Membership.objects.filter(
        team=notification.team_id, team__removed_at__isnull=True, user=person, user__is_active=True
    ).first()
    if here is None:
        return NOT_IN_TEAM
    if by_mail and Channel.MAIL not in channels_of(person, notification.kind):
        return "They do not want mail about this any more."
    return next(filter(None, hooks.notification_outdated(notification=notification, role=here.role)), "")


def message_of(mail: OutgoingMail) -> EmailMultiAlternatives:
    subject, text, html = _names(mail.template)
    context = {"base_url": settings.BASE_URL, **mail.context}
    message = EmailMultiAlternatives(
        subject=" ".join(_plain(subject, context).split())[:200],  # a line break in a name starts no header
        body=_plain(text, context).strip() + "\n",
        to=[mail.to],
        headers={"Message-ID": _message_id(mail), "Auto-Submitted": "auto-generated", **mail.headers},
    )
    message.attach_alternative(render_to_string(html, context), "text/html")
    return message


def _plain(name: str, context: Mapping[str, Any]) -> str:
    """Render a plain-text template without HTML escaping."""
    template: Any = get_template(name)
    return str(template.template.render(Context(dict(context), autoescape=False)))


def _message_id(mail: OutgoingMail) -> str:
    """Return the Message-ID, the same for every attempt, so that servers and readers can drop duplicates."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    return f"<{mail.pk}@{domain}>"


def _is_final(error: smtplib.SMTPRecipientsRefused | smtplib.SMTPDataError) -> bool:
    """Return True if the server will never accept the mail (5xx). It may accept a mail later after 4xx."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    return error.smtp_code >= 500


def _end(mail: OutgoingMail, status: MailStatus, error: str = "") -> None:
    """Set the final status and delete the context, which may hold a link that opens something."""
    OutgoingMail.objects.filter(pk=mail.pk, status=MailStatus.WAITING).update(
        status=status, error=mask(error)[:300], ended_at=timezone.now(), context={}
    )


def _schedule_retry(mail: OutgoingMail, error: Exception) -> None:
    said = mask(f"{type(error).__name__}: {error}")[:300]  # a server may repeat what it was sent
    log.warning("mail %s was not sent at try %s: %s", mail.pk, mail.attempts, said)
    if mail.created_at < timezone.now() - GIVE_UP_AFTER:
        OutgoingMail.objects.filter(pk=mail.pk).update(status=MailStatus.FAILED, error=said, ended_at=timezone.now())
        return
    pause = timedelta(seconds=min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (mail.attempts - 1)))
    OutgoingMail.objects.filter(pk=mail.pk).update(error=said, next_try_at=Now() + pause)


def send_again(*, mail: OutgoingMail) -> None:
    """Queue a failed mail again, for another day. Raises InvalidInput if its content is no longer kept."""
    if not mail.context:
        raise InvalidInput("The mail server refused this mail for good, and its words are no longer kept.")
    OutgoingMail.objects.filter(pk=mail.pk, status=MailStatus.FAILED).update(
        status=MailStatus.WAITING, attempts=0, created_at=Now(), next_try_at=Now(), ended_at=None
    )
    transaction.on_commit(queue.wake_mailer)


def wake_if_due() -> None:
    """Send a wake-up if mails are due. Part of the periodic sweep, because messages get lost."""
    if OutgoingMail.objects.due().exists():
        queue.wake_mailer()


def forget_old() -> None:
    """Delete mails that ended longer ago than KEEP_SENT or KEEP_FAILED."""
    now = timezone.now()
    ended = OutgoingMail.objects.exclude(status=MailStatus.WAITING)
    ended.filter(ended_at__lt=now - KEEP_FAILED).delete()
    ended.exclude(status=MailStatus.FAILED).filter(ended_at__lt=now - KEEP_SENT).delete()
