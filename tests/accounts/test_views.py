from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import ApiKey, AuditEntry, Membership, Role, User
from tests.factories import MembershipFactory, TeamFactory

NASTY = "<script>alert(1)</script>"


@pytest.fixture
def as_viewer(client: Client, team) -> Client:
    client.force_login(MembershipFactory(team=team, role=Role.VIEWER).user)
    return client


def page(name: str, **ids: object) -> str:
    return reverse(f"accounts:{name}", kwargs={"team": "acme", **ids})


def new_key(client: Client, **changes: object):
    data = {"name": "Warehouse", "scopes": ["runs:read", "runs:write"], "expires_in": "90"} | changes
    return client.post(page("api_keys"), data)


def test_settings_lead_to_the_profile(as_alice):
    assert as_alice.get(page("settings")).headers["Location"] == page("profile")


def test_a_profile_is_saved(as_alice, alice):
    answer = as_alice.post(page("profile"), {"name": "Alice B", "hue": "moss"}, follow=True)

    alice.refresh_from_db()
    assert (alice.name, alice.hue) == ("Alice B", "moss")
    assert "Your profile is saved." in answer.content.decode()


def test_a_colour_that_does_not_exist_is_refused(as_alice, alice):
    answer = as_alice.post(page("profile"), {"name": "Alice B", "hue": "neon"})

    alice.refresh_from_db()
    assert alice.name == "Alice"
    assert "Choose one of blue" in answer.content.decode()


def test_a_key_is_shown_once(as_alice, team):
    made = new_key(as_alice).content.decode()

    token = re.search(r"data-token>(dh_[0-9a-f]{10}_[\w-]{43})<", made)[1]
    assert "no-store" in as_alice.get(page("api_keys")).headers["Cache-Control"]
    again = as_alice.get(page("api_keys")).content.decode()
    assert token not in again
    assert token[:13] in again
    key = ApiKey.objects.get(team=team)
    assert (key.name, key.scopes, key.expires_at is None) == ("Warehouse", ["runs:read", "runs:write"], False)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "This field is required."),
        ({"scopes": []}, "This field is required."),
        ({"scopes": ["everything"]}, "is not one of the available choices"),
        ({"expires_in": "7"}, "is not one of the available choices"),
    ],
)
def test_a_key_that_does_not_fit_is_refused_at_its_field(as_alice, changes, words):
    answer = new_key(as_alice, **changes)

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not ApiKey.objects.exists()


def test_only_those_who_manage_the_team_make_keys(client, team, bob):
    client.force_login(bob)

    answer = new_key(client)

    assert answer.status_code == 403
    assert not ApiKey.objects.exists()
    shown = client.get(page("api_keys")).content.decode()
    assert "make or revoke API keys" in shown
    assert "Create key" not in shown


def test_revoking_asks_first(as_alice, team):
    new_key(as_alice)
    key = ApiKey.objects.get(team=team)

    asked = as_alice.get(page("api_key_revoke", key_id=key.pk)).content.decode()
    key.refresh_from_db()
    assert "Revoke the key “Warehouse”?" in asked
    assert key.revoked_at is None

    as_alice.post(page("api_key_revoke", key_id=key.pk))
    key.refresh_from_db()
    assert key.revoked_at is not None
    assert AuditEntry.objects.filter(action="api_key.revoked").count() == 1


def test_a_key_of_another_team_is_not_there(as_alice, other_team, charlie):
    key = ApiKey.objects.create(team=other_team, name="Theirs", prefix="0123456789", secret_sha256="x", scopes=[])

    assert as_alice.post(page("api_key_revoke", key_id=key.pk)).status_code == 404
    key.refresh_from_db()
    assert key.revoked_at is None


def test_what_people_call_things_is_text(as_alice, alice, team):
    alice.name = team.name = NASTY
    alice.save()
    team.save()
    new_key(as_alice, name=NASTY)

    for name in ("profile", "team_settings", "members", "api_keys"):
        shown = as_alice.get(page(name)).content.decode()
        assert NASTY not in shown
        assert "&lt;script&gt;" in shown


def test_a_viewer_sees_people_and_roles(as_viewer, alice):
    shown = as_viewer.get(page("members")).content.decode()

    assert "alice@example.com" in shown
    assert "What each role may do" in shown


# ---- The team's name


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN])
def test_an_owner_or_admin_renames_the_team(client, team, role):
    user = MembershipFactory(team=team, role=role).user
    client.force_login(user)

    answer = client.post(page("team_settings"), {"name": "  Acme   Research "}, follow=True)

    team.refresh_from_db()
    entry = AuditEntry.objects.get()
    assert (team.name, team.slug) == ("Acme Research", "acme")
    assert "The team is called Acme Research." in answer.text
    assert (entry.team, entry.actor, entry.action) == (team, user, "team.renamed")
    assert entry.data == {"before": "Acme", "after": "Acme Research"}


def test_the_same_name_again_changes_nothing(as_alice, team):
    assert as_alice.post(page("team_settings"), {"name": "Acme"}).status_code == 302

    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
def test_others_see_the_name_and_why_they_cannot_change_it(client, team, role):
    client.force_login(MembershipFactory(team=team, role=role).user)

    shown = client.get(page("team_settings")).text
    answer = client.post(page("team_settings"), {"name": "Mine"})

    team.refresh_from_db()
    assert "Only an owner or admin can rename the team." in shown
    assert re.search(r'<input[^>]*name="name"[^>]*disabled', shown)
    assert (answer.status_code, team.name) == (403, "Acme")
    assert not AuditEntry.objects.exists()


def test_a_person_of_another_team_renames_nothing(client, team, charlie):
    client.force_login(charlie)

    answer = client.post(page("team_settings"), {"name": "Mine"})

    team.refresh_from_db()
    assert (answer.status_code, team.name) == (404, "Acme")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "This field is required."),
        (" \t ", "This field is required."),
        ("\u200b", "A team needs a name."),
        ("x" * 121, "at most 120 characters"),
    ],
)
def test_a_name_that_does_not_fit_is_refused_at_its_field(as_alice, team, name, words):
    answer = as_alice.post(page("team_settings"), {"name": name})

    team.refresh_from_db()
    assert answer.status_code == 422
    assert words in answer.text
    assert team.name == "Acme"
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    "name",
    ["settings", "profile", "team_settings", "members", "team_delete", "team_leave", "team_transfer", "api_keys"],
)
def test_an_outsider_gets_404_and_a_stranger_signs_in(client, team, charlie, name):
    assert client.get(page(name)).headers["Location"].startswith("/accounts/login/")

    client.force_login(charlie)
    assert client.get(page(name)).status_code == 404
    assert client.post(page(name)).status_code in (404, 405)


def test_the_sidebar_lists_the_persons_teams_only(as_alice, alice, other_team):
    mine = TeamFactory(name="Second desk")
    MembershipFactory(team=mine, user=alice)

    shown = as_alice.get(page("profile")).content.decode()

    assert "Second desk" in shown
    assert "Elsewhere" not in shown


def test_a_member_is_told_their_own_role_on_the_keys_page(bob, team):
    client = Client()
    client.force_login(bob)

    shown = client.get("/t/acme/settings/api-keys/").content.decode()

    assert "You are a member in this team, so you can view but not make or revoke API keys." in shown


# ---- People, and the end of a team


def member_page(name: str, user: User) -> str:
    return page(name, user_id=user.pk)


def role_of(user: User) -> str | None:
    return Membership.objects.filter(user=user, team__slug="acme").values_list("role", flat=True).first()


def test_roles_change_on_the_page_and_the_last_owner_stays(as_alice, alice, bob):
    said = as_alice.post(member_page("member_role", bob), {"role": "billing"}, follow=True).text
    odd = as_alice.post(member_page("member_role", bob), {"role": "king"}, follow=True).text
    kept = as_alice.post(member_page("member_role", alice), {"role": "member"}, follow=True).text

    assert "Bob is now in billing." in said
    assert "There is no such role." in odd
    assert "A team needs an owner." in kept
    assert (role_of(alice), role_of(bob)) == ("owner", "billing")


def test_an_admin_is_offered_no_owner(client, team, alice, bob):
    client.force_login(MembershipFactory(team=team, role=Role.ADMIN).user)

    shown = client.get(page("members")).text
    made = client.post(member_page("member_role", bob), {"role": "owner"})
    touched = client.post(member_page("member_role", alice), {"role": "member"})
    removed = client.post(member_page("member_remove", alice))

    assert 'value="owner"' not in shown
    assert 'aria-label="Role of Bob"' in shown
    assert 'aria-label="Role of Alice"' not in shown
    assert (made.status_code, touched.status_code, removed.status_code) == (403, 403, 403)
    assert (role_of(alice), role_of(bob)) == ("owner", "member")


def test_removing_asks_first(as_alice, bob):
    asked = as_alice.get(member_page("member_remove", bob)).text
    assert (role_of(bob), "Remove Bob from Acme?" in asked) == ("member", True)

    said = as_alice.post(member_page("member_remove", bob), follow=True).text

    assert role_of(bob) is None
    assert "Bob is not in the team any more." in said


def test_a_team_is_handed_over_on_its_page(as_alice, alice, bob):
    odd = as_alice.post(page("team_transfer"), {"user": str(alice.pk)})
    said = as_alice.post(page("team_transfer"), {"user": str(bob.pk)}, follow=True).text

    assert odd.status_code == 422
    assert "You are an admin of it." in said
    assert (role_of(alice), role_of(bob)) == ("admin", "owner")
    assert as_alice.get(page("team_transfer")).status_code == 403


def test_a_team_is_deleted_when_its_name_is_typed(as_alice, team, alice):
    asked = as_alice.get(page("team_delete")).text
    wrong = as_alice.post(page("team_delete"), {"confirm": "acme"})
    team.refresh_from_db()
    assert ("1 person loses access" in asked, "This is your only team" in asked) == (True, True)
    assert (wrong.status_code, team.removed_at) == (422, None)

    gone = as_alice.post(page("team_delete"), {"confirm": "Acme"}, follow=True)

    assert gone.redirect_chain[-1][0] == "/teams/new/"
    assert "You’re not in a team." in gone.text
    assert as_alice.get(page("team_settings")).status_code == 404


@pytest.mark.parametrize("role", [Role.ADMIN, Role.MEMBER, Role.VIEWER, Role.BILLING])
def test_only_an_owner_gets_to_the_end_of_a_team(client, team, role):
    client.force_login(MembershipFactory(team=team, role=role).user)

    assert client.get(page("team_delete")).status_code == 403
    assert client.post(page("team_delete"), {"confirm": "Acme"}).status_code == 403
    assert client.post(page("team_transfer"), {"user": "x"}).status_code == 403
    team.refresh_from_db()
    assert team.removed_at is None


def test_leaving_asks_first_and_the_last_owner_is_told_why_not(client, as_alice, alice, bob):
    kept = as_alice.post(page("team_leave"), follow=True).text
    assert "A team needs an owner." in kept

    client.force_login(bob)
    assert "Leave Acme?" in client.get(page("team_leave")).text
    left = client.post(page("team_leave"), follow=True)

    assert (role_of(alice), role_of(bob)) == ("owner", None)
    assert "You have left Acme." in left.text


def test_anyone_makes_another_team(client, bob):
    client.force_login(bob)

    empty = client.post("/teams/new/", {"name": "\u200b"})
    made = client.post("/teams/new/", {"name": "Second desk"}, follow=True)

    assert empty.status_code == 422
    assert made.redirect_chain[-1][0].startswith("/t/second-desk/")
    assert Membership.objects.get(user=bob, team__slug="second-desk").role == "owner"
    assert Client().get("/teams/new/").status_code == 302
