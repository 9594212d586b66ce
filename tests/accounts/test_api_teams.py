"""Teams and members in the API."""

from __future__ import annotations

import pytest

from accounts.models import ApiKey, AuditEntry, Membership, Role, Team, User
from tests.calling import Api, api_of
from tests.factories import AgentFactory, MembershipFactory, TaskFactory, UserFactory

TEAMS = "/api/v1/teams/"
ACME = f"{TEAMS}acme/"


def session(user: User) -> Api:
    client = Api()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def member(user: User) -> str:
    return f"{ACME}members/{user.pk}/"


def role_of(user: User) -> str | None:
    return Membership.objects.filter(user=user, team__slug="acme").values_list("role", flat=True).first()


def test_a_person_makes_a_team_and_sees_all_of_theirs(team: Team, alice: User) -> None:
    api = session(alice)

    made = api.send("POST", TEAMS, {"name": "  Second   desk "}, Idempotency_Key="one")
    again = api.send("POST", TEAMS, {"name": "  Second   desk "}, Idempotency_Key="one")

    assert made.status_code == 201
    assert (made.json()["name"], made.json()["slug"], made.json()["role"]) == ("Second desk", "second-desk", "owner")
    assert (again.json(), again["Idempotent-Replayed"]) == (made.json(), "true")
    assert [row["slug"] for row in api.get(TEAMS).json()["results"]] == ["second-desk", "acme"]
    assert Team.objects.filter(slug__startswith="second").count() == 1


def test_who_is_in_no_team_can_make_one_and_nothing_else(db: None) -> None:
    api = session(UserFactory())

    empty, runs, nowhere = api.get(TEAMS), api.get("/api/v1/runs/"), api.get(ACME)
    made = api.send("POST", TEAMS, {"name": "Mine"}, Idempotency_Key="one")
    again = api.send("POST", TEAMS, {"name": "Mine"}, Idempotency_Key="one")

    assert empty.json()["results"] == []
    assert (runs.status_code, nowhere.status_code) == (404, 404)
    assert (made.status_code, again["Idempotent-Replayed"]) == (201, "true")
    assert Team.objects.count() == 1


@pytest.mark.parametrize("name", ["", " ", "\u200b", "x" * 121])
def test_a_team_needs_a_name(db: None, name: str) -> None:
    refused = session(UserFactory()).send("POST", TEAMS, {"name": name})

    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "name")
    assert not Team.objects.exists()


def test_a_key_sees_its_team_and_makes_and_ends_none(team: Team, alice: User, bob: User) -> None:
    MembershipFactory(user=alice, role=Role.OWNER, team__slug="second")
    api = api_of(alice, team)

    assert [row["slug"] for row in api.get(TEAMS).json()["results"]] == ["acme"]
    assert (api.get(ACME).status_code, api.get(f"{TEAMS}second/").status_code) == (200, 404)
    assert api.send("POST", TEAMS, {"name": "More"}).status_code == 403
    assert api.send("DELETE", f"{ACME}?confirm=Acme").status_code == 403
    assert api.send("POST", f"{ACME}transfer/", {"user": str(bob.pk)}).status_code == 403
    assert api.send("POST", f"{ACME}leave/").status_code == 403
    assert api.send("PATCH", ACME, {"name": "Acme II"}).status_code == 200
    assert Team.objects.filter(removed_at=None).count() == 2
    assert role_of(alice) == Role.OWNER


def test_a_rename_does_not_overwrite_another(team: Team, alice: User) -> None:
    api = session(alice)
    before = api.get(ACME)["ETag"]

    first = api.send("PATCH", ACME, {"name": "First"}, If_Match=before)
    second = api.send("PATCH", ACME, {"name": "Second"}, If_Match=before)

    assert (first.status_code, second.status_code) == (200, 412)
    assert first["ETag"] == api.get(ACME)["ETag"] != before
    team.refresh_from_db()
    assert team.name == "First"


def test_members_are_listed_changed_and_removed(team: Team, alice: User, bob: User) -> None:
    api = session(alice)

    rows = api.get(f"{ACME}members/?ordering=created_at").json()["results"]
    before = api.get(member(bob))["ETag"]
    changed = api.send("PATCH", member(bob), {"role": "viewer"}, If_Match=before)
    stale = api.send("PATCH", member(bob), {"role": "admin"}, If_Match=before)
    gone = api.send("DELETE", member(bob))

    assert [(row["email"], row["role"]) for row in rows] == [
        ("alice@example.com", "owner"),
        ("bob@example.com", "member"),
    ]
    assert (changed.status_code, changed.json()["role"], stale.status_code) == (200, "viewer", 412)
    assert (gone.status_code, role_of(bob)) == (204, None)
    assert set(AuditEntry.objects.values_list("action", flat=True)) == {"member.role_changed", "member.removed"}


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER, Role.BILLING])
def test_others_see_who_is_there_and_change_only_themselves(team: Team, alice: User, bob: User, role: Role) -> None:
    me = MembershipFactory(team=team, role=role).user
    api = session(me)

    assert api.get(f"{ACME}members/").status_code == 200
    for refused in (
        api.send("PATCH", member(bob), {"role": "viewer"}),
        api.send("PATCH", member(me), {"role": "owner"}),
        api.send("DELETE", member(bob)),
        api.send("PATCH", ACME, {"name": "Mine"}),
        api.send("DELETE", f"{ACME}?confirm=Acme"),
        api.send("POST", f"{ACME}transfer/", {"user": str(me.pk)}),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    assert (role_of(bob), role_of(me)) == (Role.MEMBER, role)
    assert api.send("POST", f"{ACME}leave/").status_code == 204
    assert role_of(me) is None


def test_the_last_owner_is_told_why_they_stay(team: Team, alice: User, bob: User) -> None:
    api = session(alice)

    for refused in (api.send("POST", f"{ACME}leave/"), api.send("PATCH", member(alice), {"role": "member"})):
        assert (refused.status_code, refused.json()["code"]) == (409, "last_owner")

    assert api.send("POST", f"{ACME}transfer/", {"user": str(bob.pk)}).json()["role"] == "admin"
    assert api.send("POST", f"{ACME}leave/").status_code == 204
    assert (role_of(alice), role_of(bob)) == (None, Role.OWNER)


def test_a_team_is_deleted_by_its_name_only(team: Team, alice: User, bob: User) -> None:
    TaskFactory(agent=AgentFactory(team=team))
    api, of_bob = session(alice), api_of(bob, team)

    counted = api.get(f"{ACME}dependents/").json()
    without, wrong = api.send("DELETE", ACME), api.send("DELETE", f"{ACME}?confirm=acme")
    assert (without.status_code, wrong.status_code) == (422, 422)
    assert not Team.objects.filter(removed_at__isnull=False).exists()
    gone = api.send("DELETE", f"{ACME}?confirm=Acme")

    assert counted == {
        **{"members": 2, "api_keys": 1, "invitations": 0, "agents": 1, "tasks": 1, "live_runs": 0, "files": 0}
    }
    assert gone.status_code == 204
    assert (api.get(ACME).status_code, of_bob.get("/api/v1/me/").status_code) == (404, 401)
    assert not ApiKey.objects.filter(revoked_at=None).exists()


def test_a_person_of_another_team_finds_nothing(team: Team, alice: User, charlie: User) -> None:
    for api in (session(charlie), api_of(charlie, charlie.teams.get())):
        for method, path in (
            ("GET", ACME),
            ("GET", f"{ACME}members/"),
            ("GET", member(alice)),
            ("GET", f"{ACME}dependents/"),
            ("PATCH", member(alice)),
            ("DELETE", member(alice)),
            ("DELETE", f"{ACME}?confirm=Acme"),
            ("POST", f"{ACME}leave/"),
        ):
            assert api.send(method, path, {} if method == "PATCH" else None).status_code == 404
    assert role_of(alice) == Role.OWNER


def test_a_key_neither_makes_nor_touches_owners_nor_leaves_for_its_maker(team: Team, alice: User, bob: User) -> None:
    ada = MembershipFactory(team=team, role=Role.ADMIN).user
    other = MembershipFactory(team=team, role=Role.OWNER).user
    of_alice, of_ada = api_of(alice, team), api_of(ada, team)

    refused = [
        of_alice.send("PATCH", member(bob), {"role": "owner"}),
        of_alice.send("PATCH", member(other), {"role": "member"}),
        of_alice.send("DELETE", member(other)),
        of_alice.send("DELETE", member(alice)),
        of_ada.send("DELETE", member(ada)),
    ]

    assert [answer.status_code for answer in refused] == [403] * 5
    assert [role_of(user) for user in (alice, bob, other, ada)] == ["owner", "member", "owner", "admin"]
    assert of_alice.send("PATCH", member(bob), {"role": "admin"}).status_code == 200
