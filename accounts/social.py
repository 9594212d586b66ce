"""Sign-in with Google or GitHub. An identity is (provider, uid); its unproved addresses give no access."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.base import AuthProcess, Provider
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest

from accounts import emails
from accounts.errors import Conflict
from accounts.models import User
from accounts.services import credentials, teams


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    error_messages = DefaultSocialAccountAdapter.error_messages | {
        "connected_other": "This identity belongs to another account.",
        "email_taken": "There is an account with this address. Sign in to it, then connect your %s account.",
        "no_password": "This is your only way to sign in. Set a password first.",
        "no_verified_email": "This is your only way to sign in. Confirm your address first.",
    }

    def list_apps(self, request: HttpRequest, **which: Any) -> list[SocialApp]:
        """Return the apps from the settings. One in the database would be a second way in that nobody reviews."""
        return [app for app in super().list_apps(request, **which) if app.pk is None]

    def get_provider(self, request: HttpRequest, provider: str, client_id: str | None = None) -> Provider:
        try:
            return super().get_provider(request, provider, client_id=client_id)
        except SocialApp.DoesNotExist:
            raise Http404(f"This installation does not offer {provider}.") from None

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]) -> User:
        """Fill in name and address as the provider gives them. An address that it has verified is preferred."""
        user: User = sociallogin.user
        whole = " ".join(data.get(part) or "" for part in ("first_name", "last_name"))
        user.name = " ".join((data.get("name") or whole).split())[:120]
        found: list[EmailAddress] = sociallogin.email_addresses
        for address in found:
            address.email = emails.canonical(address.email)
        found[:] = ([address for address in found if address.verified] or found)[:1]
        user.email = found[0].email if found else ""
        return user

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Connect the identity to an account of its verified address whose address nobody had proved."""
        is_signing_in = sociallogin.state.get("process") == AuthProcess.LOGIN
        if sociallogin.is_existing or not is_signing_in:
            return
        with transaction.atomic():
            for address in sociallogin.email_addresses:
                owner = credentials.claim_account(address.email) if address.verified else None
                if owner is not None:
                    sociallogin.connect(request, owner)
                    return

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        """Create the person, their personal team and identity in one transaction.

        Raises Conflict for a simultaneous repeat.
        """
        try:
            with transaction.atomic():
                user: User = super().save_user(request, sociallogin, form)
                if form is None:
                    teams.create_personal_team(owner=user)
        except IntegrityError:
            if not User.objects.filter(email=sociallogin.user.email).exists():
                raise
            raise Conflict("This sign-in is already on its way. Try once more.") from None
        return user
