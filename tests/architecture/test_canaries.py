"""Secrets that hold a marker word. It appears in no page, API response, log, export or error."""

from __future__ import annotations

import itertools
import logging
import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.apps import apps
from django.conf import settings as deployed
from django.contrib import admin
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from accounts.models import ApiKey, Team, User
from accounts.services import keys, people, tokens
from tasks.models import Run, RunShare
from tasks.services import shares
from tests.architecture.rows import Rows
from tests.architecture.walk import ADDRESSES, paths
from tests.config.test_api_fuzz import full_of_things

pytestmark = [pytest.mark.django_db, pytest.mark.attack(56)]
WORD = "xylophonecanary"
SECRET_FIELDS = {
    *("accounts.User.password", "accounts.ApiKey.secret_sha256", "accounts.Invitation.token_sha256"),
    *("accounts.TokenFamily.session_hash", "tasks.RunShare.token_sha256", "mfa.Authenticator.data"),
    *("sessions.Session.session_key", "sessions.Session.session_data", "usersessions.UserSession.session_key"),
    *("socialaccount.SocialApp.secret", "socialaccount.SocialToken.token", "socialaccount.SocialToken.token_secret"),
}
"""Model fields that store credentials. A new one needs a canary here."""
NO_SECRETS = {
    *(
        "storage.StoredFile.sha256",
        "agents.Memory.text_sha256",
        "tasks.RunShare.token_hint",
        "usersessions.UserSession.data",
    ),
    *("accounts.AuditEntry.prev_hash", "accounts.AuditEntry.hash", "accounts.AuditHead.hash"),
}
ENDLESS = {"run_stream"}
"""Streams that never end. Their frames are tested through `frames/`."""
NAMES = re.compile(r"secret|token|password|credential|hash$|session")


def test_every_field_that_could_keep_a_secret_is_known() -> None:
    fields = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if NAMES.search(field.name) and field.get_internal_type() in ("CharField", "TextField")
    }

    assert fields - NO_SECRETS <= SECRET_FIELDS


@pytest.fixture
def rows(team: Team, alice: User) -> Rows:
    return full_of_things(team, alice)


@pytest.fixture
def kept(rows: Rows, team: Team, alice: User, settings: Any) -> dict[str, str]:
    """Secrets of a team, its owner and the installation, by name."""
    settings.ANTHROPIC_API_KEY, settings.EMAIL_HOST_PASSWORD = f"sk-ant-{WORD}", f"mail-{WORD}"
    alice.set_password(f"{WORD}-password")
    alice.is_superuser = alice.is_staff = True
    alice.save()
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    key, token = keys.create_key(team=team, actor=alice, name="CI", scopes=["runs:read", "team:admin"])
    run: Any = rows.of[Run]
    share, link = shares.share_run(run=run, actor=alice)
    pair = tokens.issue_pair(user=alice)
    Authenticator.objects.create(user=alice, type=Authenticator.Type.TOTP, data={"secret": f"{WORD}-totp"})
    identity = SocialAccount.objects.create(user=alice, provider="google", uid="1")
    app = SocialApp.objects.create(provider="google", name="Google", client_id="x", secret=f"{WORD}-app")
    SocialToken.objects.create(app=app, account=identity, token=f"{WORD}-access", token_secret=f"{WORD}-renew")
    store = deployed.STORAGES["default"]["OPTIONS"]
    return {
        "any": WORD,
        "secret key": deployed.SECRET_KEY,
        "object store": store["secret_key"],
        "key": token.split("_", 2)[2],
        "key's hash": ApiKey.objects.get(pk=key.pk).secret_sha256,
        "password's hash": alice.password,
        "link": link,
        "link's hash": RunShare.objects.get(pk=share.pk).token_sha256,
        "access": pair.access,
        "refresh": pair.refresh,
        "password of the database": str(deployed.DATABASES["default"].get("PASSWORD") or WORD),
    }


def text_of(answer: Any) -> str:
    content: bytes = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return content.decode(errors="replace")


def found_in(where: str, text: str, kept: dict[str, str]) -> list[str]:
    return [f"{name} in {where}" for name, value in kept.items() if value and value in text]


def test_no_page_api_export_or_log_shows_a_secret(
    kept: dict[str, str], rows: Rows, alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    client = Client(raise_request_exception=False)
    client.force_login(alice)
    kept |= {"session": client.cookies["sessionid"].value}
    leaks, opened = [], 0
    for address in ADDRESSES:
        if address.name in ENDLESS or address.route.startswith("accounts/logout"):
            continue
        for path in itertools.islice(paths(address, rows), 8):
            answer = client.get(path, headers={"X-Team": "acme"})
            opened += answer.status_code == 200
            leaks += found_in(f"{path} ({answer.status_code})", text_of(answer), kept)

    assert leaks + found_in("the logs", caplog.text, kept) == []
    assert opened > 60


def test_no_page_of_the_admin_shows_a_secret(kept: dict[str, str], alice: User) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(alice)
    kept |= {"session": client.cookies["sessionid"].value}
    del kept["password's hash"]  # Django's form shows only the beginning of the hash
    leaks, opened = [], 0
    for model in admin.site._registry:
        base = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        leaks += found_in(f"list of {model.__name__}", text_of(client.get(reverse(f"{base}_changelist"))), kept)
        for row in model._base_manager.all()[:3]:
            answer = client.get(reverse(f"{base}_change", args=[row.pk]))
            opened += answer.status_code == 200
            leaks += found_in(f"{model.__name__} ({answer.status_code})", text_of(answer), kept)

    assert leaks == []
    assert opened > 30


def test_no_refusal_or_crash_repeats_a_secret(
    kept: dict[str, str], alice: User, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    cache.clear()
    typed = f"{WORD}-typed"
    client = Client(raise_request_exception=False)
    said = [
        client.post("/accounts/login/", {"login": alice.email, "password": typed}),
        client.post("/accounts/signup/", {"email": "no mail", "password1": typed}),
        client.post("/api/v1/auth/token/", {"email": alice.email, "password": typed}, "application/json"),
        client.post("/api/v1/auth/token/refresh/", {"refresh": kept["refresh"] + "x"}, "application/json"),
        client.get("/api/v1/me/", headers={"Authorization": f"Bearer dh_0123456789_{typed}"}),
    ]

    def breaks(**_: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(people, "update_profile", breaks)
    client.force_login(alice)
    said.append(client.patch("/api/v1/me/", {"name": "A"}, "application/json"))

    assert said[-1].status_code == 500
    leaks = [found_in(answer.wsgi_request.path, text_of(answer), kept) for answer in said]
    assert [*itertools.chain(*leaks), *found_in("the logs", caplog.text, kept)] == []
