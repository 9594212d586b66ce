"""What a person signs in with: passwords, identities and sessions, and what happens to all of them at once."""

from __future__ import annotations

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.db import transaction

from accounts import audit
from accounts.models import ApiKey, Membership, User
from accounts.services import keys


@transaction.atomic
def claim_account(email: str) -> User | None:
    """Give the account with this address to who has just proved to own it, if nobody ever did; else None.

    Whoever registered it keeps nothing: password, sessions, identities and keys are void. An operator's account is
    never taken over this way.
    """
    user = User.objects.select_for_update().filter(email__iexact=email, is_active=True, is_staff=False).first()
    if user is None or has_proved_an_address(user):
        return None
    forget_ways_in(user)
    address, _ = EmailAddress.objects.update_or_create(
        user=user, email=user.email, defaults={"verified": True, "primary": True}
    )
    EmailAddress.objects.filter(user=user).exclude(pk=address.pk).delete()
    for membership in Membership.objects.filter(user=user).select_related("team"):
        audit.record(team=membership.team, actor=user, action="person.claimed", target=user)
    return user


def has_proved_an_address(user: User) -> bool:
    return bool(EmailAddress.objects.filter(user=user, verified=True).exists())


def forget_ways_in(user: User) -> None:
    """Password, sessions, identities and API keys of the person are void from now on."""
    user.set_unusable_password()  # also ends every session and socket: they carry a mark of the password
    user.save(update_fields=["password"])
    SocialAccount.objects.filter(user=user).delete()
    for key in ApiKey.objects.filter(created_by=user, revoked_at=None):
        keys.revoke_key(key=key, actor=user)
