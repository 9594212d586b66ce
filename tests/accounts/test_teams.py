from __future__ import annotations

from typing import Any

import pytest

from accounts.errors import InvalidInput
from accounts.hooks import team_created
from accounts.models import AuditEntry, Membership, Role, Team
from accounts.services import teams
from billing.models import TeamPlan
from tests.factories import TeamFactory, UserFactory


@pytest.mark.django_db
def test_create_team_makes_its_owner_and_its_plan() -> None:
    user = UserFactory(name="Grace Hopper", email="grace@example.com")

    team = teams.create_personal_team(owner=user)

    assert (team.name, team.slug, team.is_personal, team.email) == (
        "Grace Hopper's team",
        "grace-hoppers-team",
        True,
        "grace@example.com",
    )
    membership = Membership.objects.get(team=team)
    assert (membership.user, membership.role) == (user, Role.OWNER)
    assert TeamPlan.objects.get(team=team).plan == "enterprise"
    assert AuditEntry.objects.get(team=team).action == "team.created"
    assert teams.default_team(user) == team


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "slug"), [("Müller & Söhne", "muller-sohne"), ("北京", "team"), ("--", "team")])
def test_create_team_finds_a_slug_for_any_name(name: str, slug: str) -> None:
    assert teams.create_team(owner=UserFactory(), name=name).slug == slug


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "code"), [("", "required"), (" ", "required"), ("x" * 121, "max_length")])
def test_rename_team_refuses_a_name_that_does_not_fit(name: str, code: str) -> None:
    team = TeamFactory(name="Acme")

    with pytest.raises(InvalidInput) as refused:
        teams.rename_team(team=team, actor=UserFactory(), name=name)

    team.refresh_from_db()
    assert [(wrong.field, wrong.code) for wrong in refused.value.fields] == [("name", code)]
    assert team.name == "Acme"


@pytest.mark.django_db
def test_create_team_takes_another_slug_when_the_first_is_taken() -> None:
    TeamFactory(slug="acme")

    team = teams.create_team(owner=UserFactory(), name="Acme")

    assert team.slug.startswith("acme-")
    assert len(team.slug) == len("acme-") + 6


@pytest.mark.django_db
def test_create_team_leaves_nothing_when_a_receiver_fails() -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("billing is broken")

    team_created.register(fail)
    try:
        with pytest.raises(RuntimeError, match="billing is broken"):
            teams.create_team(owner=UserFactory(), name="Acme")
    finally:
        team_created.unregister(fail)

    assert Team.objects.count() == 0
    assert Membership.objects.count() == 0
    assert AuditEntry.objects.count() == 0
