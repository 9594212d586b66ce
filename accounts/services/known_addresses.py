"""Addresses that a person signs in from, so that guesses from elsewhere cannot lock them out."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from accounts.models import KnownAddress, User
from accounts.services import rates

KEPT_FOR = timedelta(days=90)
"""Time without a sign-in after which an address is no longer known."""
MOST = 20
"""Addresses of one person."""


def remember(user: User) -> None:
    """Record that the person signed in from the address of this request, and delete old ones."""
    if not (address := rates.here()):
        return
    now = timezone.now()
    KnownAddress.objects.update_or_create(user=user, address=address, defaults={"last_used_at": now})
    mine = KnownAddress.objects.filter(user=user)
    newest = mine.order_by("-last_used_at").values("pk")[:MOST]
    mine.filter(Q(last_used_at__lt=now - KEPT_FOR) | ~Q(pk__in=newest)).delete()


def is_known(email: str) -> bool:
    """Return True if the account was signed in to from this request's address."""
    theirs = Q(user__email=email) | Q(user__emailaddress__email=email, user__emailaddress__verified=True)
    recent = KnownAddress.objects.filter(address=rates.here(), last_used_at__gt=timezone.now() - KEPT_FOR)
    return recent.filter(theirs).exists()


def forget_others(user: User) -> None:
    """Delete all addresses but this request's: somebody who knew the password may have used the others."""
    KnownAddress.objects.filter(user=user).exclude(address=rates.here() or None).delete()
