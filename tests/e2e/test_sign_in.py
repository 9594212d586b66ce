"""Ways to sign in, in a real browser. These are a provider's account, a password with a code, and a passkey."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from playwright.sync_api import Page, expect

from accounts.models import User
from tests.accounts.people import forget_used_codes, person, totp
from tests.factories import PASSWORD
from tests.standins.oauth import Identity, OAuthStandIn

Open = Callable[..., Page]


def sign_in(page: Page, user: User) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill(user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def open_security(page: Page) -> None:
    """Open the security page after the sign-in has led to the dashboard."""
    expect(page).to_have_url(re.compile("/t/"))
    page.goto("/accounts/2fa/")
    expect(page).to_have_title("Security · Deskhand")


def confirm(page: Page) -> None:
    expect(page.get_by_role("heading", name="Confirm it’s you")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()


def sign_out(page: Page) -> None:
    page.goto("/accounts/logout/")
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile(r"//[^/]+/$"))


def key_with_fingerprint(page: Page) -> Any:
    """Add a built-in authenticator, as a laptop has it, through Chromium's test interface."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options |= {"isUserVerified": True, "automaticPresenceSimulation": True}
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return devtools


@pytest.mark.parametrize("name", ["Google", "GitHub"])
def test_the_button_of_a_provider_leads_there_and_back(open_page: Open, provider: OAuthStandIn, name: str) -> None:
    """Sign in through a provider under our content policy, which limits the targets of forms."""
    provider.identity = Identity(uid="77", email="ada@example.com", name="Ada Lovelace")
    page = open_page()

    page.goto("/accounts/login/")
    page.get_by_role("button", name=f"Continue with {name}").click()
    open_security(page)

    expect(page.get_by_text("ada", exact=False).first).to_be_visible()
    assert User.objects.get().email == "ada@example.com"
    assert provider.refusals == []


def test_a_code_of_the_app_is_the_second_step(open_page: Open, shot: Any) -> None:
    grace = person()
    page = open_page()
    sign_in(page, grace)
    open_security(page)
    page.get_by_role("link", name="Set up…").click()
    confirm(page)
    secret = page.locator("[data-secret]").inner_text()
    shot(page, "totp-light")
    page.get_by_label("Code").fill(totp(secret))
    page.get_by_role("button", name="Turn on").click()
    codes = page.locator("pre").inner_text().split()
    shot(page, "recovery-codes-light")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.path().read_text().split() == codes
    assert len(set(codes)) == 10

    sign_out(page)
    forget_used_codes()  # setting it up has spent the code of this half minute
    sign_in(page, grace)
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    shot(page, "second-step-light")
    page.get_by_label("Code").fill(totp(secret))
    page.get_by_role("button", name="Sign in").click()

    open_security(page)
    expect(page.get_by_text("10 of 10 left")).to_be_visible()


def test_a_passkey_is_a_second_step_and_signs_in_alone(open_page: Open, server: str, shot: Any) -> None:
    """Use a passkey on localhost, because browsers allow none for IP addresses."""
    here = server.replace("127.0.0.1", "localhost")
    grace = person()
    page = open_page(base_url=here)
    devtools = key_with_fingerprint(page)
    sign_in(page, grace)
    open_security(page)
    page.get_by_role("link", name="Add…").click()
    confirm(page)
    page.get_by_label("Name").fill("Work laptop")
    shot(page, "passkey-light")
    page.get_by_role("button", name="Add it").click()
    page.get_by_role("link", name="I’ve saved them").click()
    expect(page.get_by_text("Work laptop", exact=False).first).to_be_visible()
    expect(page.get_by_text("Signs in without a password")).to_be_visible()
    shot(page, "security-light")

    sign_out(page)
    sign_in(page, grace)
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    page.get_by_role("button", name="Use a passkey").click()
    open_security(page)

    sign_out(page)
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    open_security(page)
    assert Authenticator.objects.get(type="webauthn").last_used_at is not None

    sign_out(page)
    page.goto("/accounts/login/")
    devtools.send("WebAuthn.disable")  # the authenticator is gone
    key_with_fingerprint(page)
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_have_text("That was cancelled, or took too long. Try again.")


def test_an_address_of_numbers_says_why_it_has_no_passkeys(open_page: Open) -> None:
    page = open_page()
    sign_in(page, person())
    open_security(page)

    page.goto("/accounts/2fa/webauthn/add/")
    confirm(page)

    expect(page.get_by_text("This browser cannot use passkeys here.")).to_be_visible()
    expect(page.get_by_role("button", name="Add it")).to_be_hidden()
