"""Deskhand's word in allauth's flows."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.db import IntegrityError, transaction
from django.http import HttpRequest

from accounts.errors import Conflict
from accounts.models import User
from accounts.services import teams


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    error_messages = DefaultAccountAdapter.error_messages | {
        "account_inactive": "This account is switched off. Ask the operator of this installation.",
        "email_password_mismatch": "This address and this password do not go together.",
        "email_taken": "There is an account with this address. Sign in, or reset its password.",
        "enter_current_password": "This is not your password.",
        "incorrect_password": "This is not your password.",
        "rate_limited": "That was often. Wait a minute, then try again.",
        "too_many_login_attempts": "Too many tries with this address. Wait five minutes, or reset the password.",
    }

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        """A new person and their personal team, in one transaction: there is never the one without the other."""
        try:
            with transaction.atomic():
                super().save_user(request, user, form, commit=True)
                teams.create_personal_team(owner=user)
        except IntegrityError:
            if not User.objects.filter(email=user.email).exists():
                raise
            raise Conflict("This sign-up is already on its way. Look for our mail.") from None
        return user

    def send_account_already_exists_mail(self, email: str) -> None:
        """A sign-up with a known address takes as long as one with a new address, whose password is hashed."""
        User().set_password(email)
        super().send_account_already_exists_mail(email)
