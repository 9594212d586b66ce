from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.errors import Forbidden, InvalidInput
from accounts.models import ApiKey, AuditEntry, Membership, Role, Team, User
from accounts.services import keys


@pytest.mark.attack(46)
def test_create_key_keeps_only_the_hash_of_the_secret(team: Team, alice: User) -> None:
    key, token = keys.create_key(team=team, actor=alice, name=" CI ", scopes=["runs:read", "runs:write"])

    assert token.startswith(f"dh_{key.prefix}_")
    secret = token.split("_", 2)[2]
    assert len(secret) == 43
    row = ApiKey.objects.values().get()
    assert secret not in str(row)
    assert row["name"] == "CI"
    assert row["scopes"] == ["runs:read", "runs:write"]
    assert AuditEntry.objects.filter(team=team, action="api_key.created", subject_id=str(key.pk)).count() == 1
    assert secret not in str(list(AuditEntry.objects.values()))


@pytest.mark.attack(46)
def test_find_key_opens_with_the_token_and_nothing_else(team: Team, alice: User) -> None:
    key, token = keys.create_key(team=team, actor=alice, name="CI", scopes=["runs:read"])

    found = keys.find_key(token)
    assert found == key
    assert found is not None
    assert (found.team, found.created_by, found.maker_role) == (team, alice, "owner")
    other_secret = token[:-1] + ("A" if token[-1] != "A" else "B")
    for wrong in (
        "",
        "dh_",
        token + "x",
        token[:-1],
        other_secret,
        token.upper(),
        f"{token}\x00",
        "' OR 1=1 --",
        "dh_%_%",
    ):
        assert keys.find_key(wrong) is None


@pytest.mark.parametrize(
    "change", [{"revoked_at": timezone.now()}, {"expires_at": timezone.now() - timedelta(seconds=1)}]
)
def test_find_key_refuses_a_key_that_has_ended(team: Team, alice: User, change: dict[str, object]) -> None:
    key, token = keys.create_key(team=team, actor=alice, name="CI", scopes=["runs:read"])
    ApiKey.objects.filter(pk=key.pk).update(**change)

    assert keys.find_key(token) is None


def test_a_key_ends_with_its_makers_place_in_the_team(team: Team, alice: User, bob: User) -> None:
    _, token = keys.create_key(team=team, actor=bob, name="Bob's", scopes=["runs:read"])
    _, other = keys.create_key(team=team, actor=alice, name="Alice's", scopes=["runs:read"])

    Membership.objects.filter(user=bob).delete()
    User.objects.filter(pk=alice.pk).update(is_active=False)

    assert keys.find_key(token) is None
    assert keys.find_key(other) is None


def test_create_key_refuses_what_its_maker_may_not_do(team: Team, bob: User, charlie: User) -> None:
    with pytest.raises(Forbidden):
        keys.create_key(team=team, actor=bob, name="Too much", scopes=["team:admin"])
    with pytest.raises(Forbidden):
        keys.create_key(team=team, actor=charlie, name="Not my team", scopes=["runs:read"])
    with pytest.raises(Forbidden):
        keys.create_key(
            team=team, actor=bob, name="More than the key", scopes=["runs:write"], within=frozenset({"runs:read"})
        )

    assert ApiKey.objects.count() == 0
    assert AuditEntry.objects.filter(action="api_key.created").count() == 0


def test_create_key_says_which_field_is_wrong(team: Team, alice: User) -> None:
    with pytest.raises(InvalidInput) as caught:
        keys.create_key(team=team, actor=alice, name=" ", scopes=["fly"], expires_at=timezone.now())

    assert [(error.field, error.code) for error in caught.value.fields] == [
        ("name", "invalid"),
        ("scopes", "invalid_choice"),
        ("expires_at", "invalid"),
    ]
    with pytest.raises(InvalidInput):
        keys.create_key(team=team, actor=alice, name="CI", scopes=[])
    assert ApiKey.objects.count() == 0


def test_revoke_key_happens_once(team: Team, alice: User) -> None:
    key, token = keys.create_key(team=team, actor=alice, name="CI", scopes=["runs:read"])

    first = keys.revoke_key(key=key, actor=alice).revoked_at
    second = keys.revoke_key(key=key, actor=alice).revoked_at

    assert first == second
    assert keys.find_key(token) is None
    assert AuditEntry.objects.filter(action="api_key.revoked").count() == 1


def test_touch_key_writes_at_most_once_a_minute(team: Team, alice: User, django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    key, _ = keys.create_key(team=team, actor=alice, name="CI", scopes=["runs:read"])

    keys.touch_key(key)
    key.refresh_from_db()
    used = key.last_used_at
    assert used is not None
    with django_assert_num_queries(0):
        keys.touch_key(key)

    ApiKey.objects.update(last_used_at=used - timedelta(seconds=61))
    key.refresh_from_db()
    keys.touch_key(key)
    key.refresh_from_db()
    assert key.last_used_at is not None
    assert key.last_used_at > used


def test_a_key_made_by_someone_demoted_can_do_less(team: Team, alice: User) -> None:
    from accounts.tenancy import access_of_key

    _, token = keys.create_key(team=team, actor=alice, name="CI", scopes=["runs:read", "runs:write", "team:admin"])
    Membership.objects.filter(user=alice).update(role=Role.VIEWER)

    key = keys.find_key(token)

    assert key is not None
    assert access_of_key(key, key.maker_role).actions == {"runs:read"}
