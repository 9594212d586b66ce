"""Account adapter: what Deskhand changes in allauth's sign-up, sign-in and account mails."""

from __future__ import annotations

import logging
from smtplib import SMTPException
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from allauth.core import context as allauth_context
from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.urls import reverse

from accounts import emails, mail
from accounts.errors import Conflict
from accounts.models import User
from accounts.services import known_addresses, rates, teams

log = logging.getLogger(__name__)


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    error_messages = DefaultAccountAdapter.error_messages | {
        "account_inactive": "This account is turned off. Ask the operator of this installation.",
        "email_password_mismatch": "This address and this password do not go together.",
        "email_taken": "There is an account with this address. Sign in, or reset its password.",
        "enter_current_password": "This is not your password.",
        "incorrect_password": "This is not your password.",
        "rate_limited": "That was often. Wait a minute, then try again.",
        "too_many_login_attempts": "Too many tries with this address. Wait a minute, or reset the password.",
    }

    def clean_email(self, email: str) -> str:
        return emails.normalise(email)

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        """Look the person up by the stored spelling of the address that was typed."""
        if email := credentials.get("email"):
            credentials["email"] = User.objects.stored_email(str(email))
        found: User | None = super().authenticate(request, **credentials)
        return found

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count this attempt, and refuse it locally while Valkey does not answer. allauth counts wrong passwords in
        Valkey. Without it each process counts every attempt by itself.
        """
        counted = self._get_login_attempts_cache_key(request, **credentials)
        for who in (f"address:{rates.address_of(request)}", f"email:{counted}"):
            usage = rates.spend("sign_in", who)
            if usage.is_alone and usage.is_over:
                raise self.validation_error("too_many_login_attempts")
        super().pre_authenticate(request, **credentials)

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Return the key under which an account's wrong passwords are counted (docs/security.md, Signing in).

        Attempts from addresses that the owner never signed in from share one count. Each known address and each
        signed-in browser of the owner has a count of its own, so guesses from elsewhere cannot lock the owner out.
        allauth also counts by the request's Host; that is left out because the caller chooses it.
        """
        email = str(credentials.get("email", "")).lower()
        user = getattr(request, "user", None)
        if isinstance(user, User) and user.email == email:
            return f"signed-in|{email}"
        return f"{rates.here()}|{email}" if known_addresses.is_known(email) else email

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        """Create the person and their personal team in one transaction.

        Raises Conflict if a second copy of the same sign-up arrives at the same time.
        """
        try:
            with transaction.atomic():
                super().save_user(request, user, form, commit=True)
                teams.create_personal_team(owner=user)
        except IntegrityError:
            if not User.objects.filter(email=user.email).exists():
                raise
            raise Conflict("This sign-up is already on its way. Look for our mail.") from None
        return user

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        """Return to the security page, which has the link to the password form."""
        return reverse("mfa_index")

    def get_reset_password_from_key_url(self, key: str) -> str:
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
        return _absolute(path.replace("UID-KEY", quote(key)))

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        return _absolute(reverse("account_confirm_email", args=[emailconfirmation.key]))

    def is_reauthentication_required(self, *, app: str, **more: Any) -> bool:
        """Require no confirmation from people who have nothing to confirm with.

        Somebody who signs in only with Google or GitHub may set a password.
        """
        user = allauth_context.request.user
        return bool(get_reauthentication_flows(user)) and bool(super().is_reauthentication_required(app=app, **more))

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send the mail at once, and queue it if the mail server refuses it now.

        Links use BASE_URL, never the request: whoever asks for somebody else's mail could choose its host and port.
        """
        site = SimpleNamespace(domain=urlsplit(settings.BASE_URL).netloc, name="Deskhand")
        given = {"request": allauth_context.request, "email": email, "current_site": site} | context
        given |= {"base_url": settings.BASE_URL, "signup_url": _absolute(reverse("account_signup"))}
        message = self.render_mail(template_prefix, email, given)
        try:
            message.send()
        except (SMTPException, OSError) as error:
            log.warning("A mail to a person who signs in waits, the server did not take it: %s", type(error).__name__)
            words = {"subject": message.subject, "text": message.body}
            mail.send_mail_later(to=email, template="account", context=words)

    def send_account_already_exists_mail(self, email: str) -> None:
        """Tell the owner of the address that it already has an account.

        Hashes a password first, so that a sign-up with a known address takes as long as one with a new address.
        """
        User().set_password(email)
        context = {"password_reset_url": _absolute(reverse("account_reset_password"))}
        self.send_mail("account/email/account_already_exists", email, context)


def _absolute(path: str) -> str:
    return f"{settings.BASE_URL}{path}"
