"""Sign-up without a page. Form, limits and mails are those of the web, by allauth."""

from __future__ import annotations

from typing import Any

from allauth.account import signals
from allauth.account.adapter import get_adapter
from allauth.account.forms import SignupForm
from allauth.account.internal.flows.email_verification import send_verification_email_to_address
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.core import ratelimit
from django.http import HttpRequest

from accounts.errors import FieldError, Forbidden, InvalidInput
from accounts.services.rates import TooOften
from accounts.services.sign_in import WAIT_S

FIELDS = {"password1": "password"}
"""{field of the form: name in the API} where they differ."""


class SignUpClosed(Forbidden):
    code = "sign_up_closed"
    title = "Nobody can sign up here"


def sign_up(*, request: HttpRequest, email: str, password: str) -> None:
    """Create the person and their team, and mail a link.

    An address with an account gets a mail that says so instead. Raises SignUpClosed, TooOften, InvalidInput.
    """
    adapter = get_adapter()
    if not adapter.is_open_for_signup(request):
        raise SignUpClosed("The operator of this installation makes the accounts.")
    if not ratelimit.consume(request, action="signup"):
        raise TooOften(str(adapter.error_messages["rate_limited"]), retry_after_s=WAIT_S)
    form = SignupForm({"email": email, "password1": password})
    if not form.is_valid():
        raise InvalidInput("This is no account yet.", fields=_field_errors(form))
    if form.account_already_exists:
        address = EmailAddress(email=form.cleaned_data["email"])
    else:
        user = form.save(request)
        signals.user_signed_up.send(sender=user.__class__, request=request, user=user)
        address = EmailAddress.objects.get_primary(user) or EmailAddress.objects.add_email(request, user, user.email)
    send_verification_email_to_address(request, address, signup=True)


def verify_email(*, request: HttpRequest, key: str) -> str:
    """Verify an address by the key of the mailed link. Return the address. Raises InvalidInput."""
    confirmation = EmailConfirmationHMAC.from_key(key)
    address = confirmation.confirm(request) if confirmation else None
    if address is None:
        message = "This key is mistyped, used or expired. Sign in, and another one is mailed."
        raise InvalidInput(message, fields=[FieldError("key", "invalid", message)])
    return str(address.email)


def _field_errors(form: Any) -> list[FieldError]:
    return [
        FieldError(FIELDS.get(name, name), str(error.code or "invalid"), str(message))
        for name, errors in form.errors.as_data().items()
        for error in errors
        for message in error.messages
    ]
