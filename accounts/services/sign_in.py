"""Sign-in without a page. Proofs, limits and messages are those of the web, by allauth."""

from __future__ import annotations

from typing import Any

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.email_verification import send_verification_email_for_user
from allauth.account.models import EmailAddress
from allauth.core import ratelimit
from allauth.mfa.adapter import get_adapter as get_mfa_adapter
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.utils import is_mfa_enabled
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from accounts.errors import AppError, Forbidden
from accounts.models import User
from accounts.services import one_time_codes
from accounts.services.rates import TooOften

WAIT_S = 60
"""Seconds in the Retry-After header of a refused attempt."""


class WrongCredentials(AppError):
    status = 401
    code = "invalid_credentials"
    title = "Not signed in"


class SecondFactorRequired(AppError):
    status = 401
    code = "second_factor_required"
    title = "A code is needed"


class EmailNotVerified(Forbidden):
    code = "email_not_verified"
    title = "Check your mail"


class AccountInactive(Forbidden):
    code = "account_inactive"
    title = "This account is turned off"


def person_of(*, request: HttpRequest, email: str, password: str, code: str) -> User:
    """Authenticate the person.

    Raises TooOften, WrongCredentials, AccountInactive, EmailNotVerified or SecondFactorRequired. Only a caller who
    knows the password learns more than WrongCredentials.
    """
    adapter = get_adapter()
    if not ratelimit.consume(request, action="login"):
        raise _too_many(adapter)
    try:
        user = adapter.authenticate(request, email=email, password=password)
    except ValidationError:
        raise _too_many(adapter) from None
    if user is None:
        raise WrongCredentials(adapter.error_messages["email_password_mismatch"])
    if not user.is_active:
        raise AccountInactive(adapter.error_messages["account_inactive"])
    if not _is_verified(user):
        send_verification_email_for_user(request, user)
        raise EmailNotVerified("We’ve sent you a link. Open it to finish.")
    _prove_second_factor(user, code)
    found: User = user
    return found


def _is_verified(user: User) -> bool:
    if app_settings.EMAIL_VERIFICATION != app_settings.EmailVerificationMethod.MANDATORY:
        return True
    return bool(EmailAddress.objects.filter(user=user, verified=True).exists())


def _prove_second_factor(user: User, code: str) -> None:
    """Check and spend a code of the authenticator app, or a recovery code. allauth counts the wrong ones."""
    if not is_mfa_enabled(user):
        return
    if not code:
        raise SecondFactorRequired("Send `code` too: six digits of the authenticator app, or a recovery code.")
    form = AuthenticateForm({"code": code}, user=user)
    if not form.is_valid():
        raise WrongCredentials(str(form.errors["code"][0]))
    if not one_time_codes.use_up(form.authenticator, code):
        raise WrongCredentials(get_mfa_adapter().error_messages["incorrect_code"])
    form.authenticator.record_usage()


def _too_many(adapter: Any) -> TooOften:
    return TooOften(str(adapter.error_messages["too_many_login_attempts"]), retry_after_s=WAIT_S)
