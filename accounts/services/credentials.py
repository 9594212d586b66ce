"""Credentials of a person (passwords, identities, second factors, sessions), and how they end."""

from __future__ import annotations

from uuid import UUID

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.db import transaction

from accounts import audit
from accounts.models import ApiKey, User
from accounts.services import keys, known_addresses, tokens


@transaction.atomic
def claim_account(email: str) -> User | None:
    """Give an account whose address nobody proved to the person who has just proved it.

    Return None if there is no such account. Whoever registered it keeps nothing: password, sessions, identities and
    keys are void. An operator's account is never claimed this way.
    """
    user = User.objects.select_for_update().filter(email__iexact=email, is_active=True, is_staff=False).first()
    if user is None or has_proved_an_address(user):
        return None
    user.set_unusable_password()  # ends sessions and sockets too: they carry a mark of the password
    user.save(update_fields=["password"])
    forget_identities(user)
    known_addresses.forget_others(user)
    end_access(user, actor=user)
    address, _ = EmailAddress.objects.update_or_create(
        user=user, email=user.email, defaults={"verified": True, "primary": True}
    )
    EmailAddress.objects.filter(user=user).exclude(pk=address.pk).delete()
    audit.record_person(person=user, actor=user, action="person.claimed")
    return user


def has_proved_an_address(user: User) -> bool:
    return bool(EmailAddress.objects.filter(user=user, verified=True).exists())


def forget_identities(user: User) -> None:
    SocialAccount.objects.filter(user=user).delete()
    Authenticator.objects.filter(user=user).delete()


def end_access(user: User, *, actor: User) -> None:
    """End every session, with its sockets, and every API key of the person."""
    end_sessions(user)
    for key in ApiKey.objects.filter(created_by=user, revoked_at=None):
        keys.revoke_key(key=key, actor=actor)


def sessions_of(user: User) -> list[UserSession]:
    """Return the person's open sessions, most recently used first."""
    found: list[UserSession] = UserSession.objects.purge_and_list(user)
    return sorted(found, key=lambda session: session.last_seen_at, reverse=True)


def end_sessions(user: User, *, keep: str = "") -> int:
    """Sign the person out everywhere except in the session with the key `keep`.

    Includes API clients; sockets close within seconds. Returns how many browsers and clients that were.
    """
    count = tokens.families_of(user).count()
    tokens.revoke_tokens(user=user)
    ended = list(UserSession.objects.filter(user=user).exclude(session_key=keep))
    for session in ended:
        session.end()
    count += len(ended)
    if count:
        audit.record_person(person=user, actor=user, action="session.ended", count=count)
    return count


def end_session(user: User, session_id: int) -> bool:
    """End one of the person's sessions. Return False if it is not theirs."""
    session = UserSession.objects.filter(user=user, pk=session_id).first()
    if session is not None:
        session.end()
        audit.record_person(person=user, actor=user, action="session.ended", count=1)
    return session is not None


def end_client(user: User, family_id: UUID) -> bool:
    """Revoke one of the person's sign-ins over the API. Return False if it is not theirs or not live."""
    is_theirs = tokens.families_of(user).filter(pk=family_id).exists()
    if is_theirs:
        tokens.revoke_family(family_id=family_id)
        audit.record_person(person=user, actor=user, action="session.ended", count=1, by="token")
    return is_theirs
