"""Sign-in with Google and GitHub. A provider without a client id is not offered; its addresses can be overridden."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import environ

PASSWORD_RULES = [
    {"NAME": f"accounts.passwords.{rule}Validator"}
    for rule in ("Visible", "UserAttributeSimilarity", "MinimumLength", "CommonPassword")
]
ENTRY_FORMS = {
    "login": "accounts.entry_forms.SignInForm",
    "signup": "accounts.entry_forms.SignUpForm",
    "add_email": "accounts.entry_forms.AddAddressForm",
    "reset_password": "accounts.entry_forms.ResetPasswordForm",
}
FACTOR_FORMS = {
    "authenticate": "accounts.second_factor.AuthenticateForm",
    "reauthenticate": "accounts.second_factor.ReauthenticateForm",
    "activate_totp": "accounts.second_factor.ActivateForm",
    "add_webauthn": "accounts.passkeys.AddPasskeyForm",
    "authenticate_webauthn": "accounts.passkeys.AuthenticatePasskeyForm",
    "login_webauthn": "accounts.passkeys.SignInPasskeyForm",
    "reauthenticate_webauthn": "accounts.passkeys.ReauthenticatePasskeyForm",
    "edit_webauthn": "accounts.passkeys.RenamePasskeyForm",
}


def providers(env: environ.Env) -> dict[str, dict[str, Any]]:
    """Return allauth's SOCIALACCOUNT_PROVIDERS."""
    google = {
        "AUTHORIZE_URL": env.str("GOOGLE_AUTHORIZE_URL", default="https://accounts.google.com/o/oauth2/v2/auth"),
        "ACCESS_TOKEN_URL": env.str("GOOGLE_TOKEN_URL", default="https://oauth2.googleapis.com/token"),
        "IDENTITY_URL": env.str("GOOGLE_USERINFO_URL", default="https://www.googleapis.com/oauth2/v2/userinfo"),
        "CERTS_URL": env.str("GOOGLE_CERTS_URL", default="https://www.googleapis.com/oauth2/v1/certs"),
        "ID_TOKEN_ISSUER": env.str("GOOGLE_ISSUER", default="https://accounts.google.com"),
        "SCOPE": ["openid", "profile", "email"],
        "APPS": _app(env.str("GOOGLE_CLIENT_ID", default=""), env.str("GOOGLE_CLIENT_SECRET", default="")),
    }
    github = {
        "SCOPE": ["read:user", "user:email"],
        "APPS": _app(env.str("GITHUB_CLIENT_ID", default=""), env.str("GITHUB_CLIENT_SECRET", default="")),
    }
    if url := env.str("GITHUB_URL", default="").rstrip("/"):
        github["GITHUB_URL"] = url
    return {name: {"OAUTH_PKCE_ENABLED": True} | found for name, found in (("google", google), ("github", github))}


def form_targets(found: dict[str, dict[str, Any]]) -> list[str]:
    """Return the origins that the offered providers' buttons may lead to (CSP form-action)."""
    addresses = {
        "google": found["google"]["AUTHORIZE_URL"],
        "github": found["github"].get("GITHUB_URL", "https://github.com"),
    }
    return [_origin(address) for name, address in addresses.items() if found[name]["APPS"]]


def _app(client_id: str, secret: str) -> list[dict[str, Any]]:
    return [{"client_id": client_id, "secret": secret, "settings": {}}] if client_id else []


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
