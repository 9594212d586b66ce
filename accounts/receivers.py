"""Signal receivers for changes of credentials: they end other sessions and write the audit log."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.signals import (
    email_added,
    email_changed,
    email_removed,
    password_changed,
    password_reset,
    password_set,
    user_logged_in,
)
from allauth.core import context
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset
from allauth.socialaccount.signals import social_account_added, social_account_removed
from django.contrib.auth.signals import user_logged_out
from django.db.models.signals import pre_save
from django.dispatch import receiver
from django.http import HttpRequest

from accounts import audit
from accounts.models import User
from accounts.services import credentials, known_addresses
from accounts.services.one_time_codes import USED_STEP


@receiver(user_logged_in)
def record_sign_in(user: User, sociallogin: Any = None, **_: Any) -> None:
    """Record a sign-in. Failed ones are not recorded: anybody could fill the log of a team whose members they know."""
    audit.record_person(person=user, actor=user, action="session.signed_in", by=_sign_in_method(sociallogin))
    known_addresses.remember(user)


def _sign_in_method(sociallogin: Any) -> str:
    return str(sociallogin.account.provider) if sociallogin else "page"


@receiver(user_logged_out)
def record_sign_out(user: User | None, **_: Any) -> None:
    if user is not None:
        audit.record_person(person=user, actor=user, action="session.signed_out")


@receiver([password_changed, password_set, password_reset])
def end_other_sessions(request: HttpRequest, user: User, **_: Any) -> None:
    credentials.end_sessions(user, keep=request.session.session_key or "")
    known_addresses.forget_others(user)
    audit.record_person(person=user, actor=user, action="person.password_changed")


@receiver(password_reset)
def forget_who_came_before(user: User, **_: Any) -> None:
    """Remove identities and factors from an account whose address nobody had proved before.

    The reset link went to the mailbox; what was added earlier need not be its owner's.
    """
    if not credentials.has_proved_an_address(user):
        credentials.forget_identities(user)


@receiver(email_added)
def record_added_address(user: User, email_address: EmailAddress, **_: Any) -> None:
    audit.record_person(person=user, actor=user, action="person.address_added", address=email_address.email)


@receiver(email_removed)
def record_removed_address(user: User, email_address: EmailAddress, **_: Any) -> None:
    audit.record_person(person=user, actor=user, action="person.address_removed", address=email_address.email)


@receiver(email_changed)
def record_changed_address(
    user: User, from_email_address: EmailAddress | None, to_email_address: EmailAddress, **_: Any
) -> None:
    before = from_email_address.email if from_email_address else ""
    after = to_email_address.email
    audit.record_person(person=user, actor=user, action="person.address_changed", before=before, after=after)


@receiver(pre_save, sender=Authenticator)
def spend_the_first_code(instance: Authenticator, **_: Any) -> None:
    """Store the time step of an authenticator app's first code in its new row."""
    step = getattr(context.request, "totp_step", None)
    if instance.type == Authenticator.Type.TOTP and instance._state.adding and step is not None:
        instance.data[USED_STEP] = step


@receiver([authenticator_added, authenticator_reset])
def record_added_factor(user: User, authenticator: Any, **_: Any) -> None:
    audit.record_person(person=user, actor=user, action="person.factor_added", factor=authenticator.type)


@receiver(authenticator_removed)
def record_removed_factor(user: User, authenticator: Any, **_: Any) -> None:
    audit.record_person(person=user, actor=user, action="person.factor_removed", factor=authenticator.type)


@receiver(social_account_added)
def record_added_identity(sociallogin: Any, **_: Any) -> None:
    audit.record_person(
        person=sociallogin.user,
        actor=sociallogin.user,
        action="person.identity_added",
        provider=sociallogin.account.provider,
    )


@receiver(social_account_removed)
def record_removed_identity(socialaccount: Any, **_: Any) -> None:
    audit.record_person(
        person=socialaccount.user,
        actor=socialaccount.user,
        action="person.identity_removed",
        provider=socialaccount.provider,
    )
