"""Operators' admin: every model is there, history is read-only, actions go through the services. Attack case 58."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.messages import get_messages
from django.core.cache import cache
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from accounts.admin_base import AuditedAdmin, ReadOnlyAdmin
from accounts.models import ApiKey, AuditEntry, Membership, Team, TokenFamily, User
from accounts.services import keys
from accounts.services.tokens import issue_pair
from agents.models import Agent
from agents.services.memories import AgentMemory
from billing.models import Budget, Price, TeamPlan, UsageRecord
from billing.services import save_budget
from config.pages import health
from storage.services import save_file
from tasks import event_log
from tasks.events import Log
from tasks.models import Artifact, HumanRequest, ModelCircuit, Run, RunInput, RunStatus, Step
from tasks.services import shares
from tests.factories import PASSWORD, RunFactory, TaskFactory, UserFactory

OUR_APPS = {"accounts", "billing", "storage", "tools", "agents", "tasks", "marketplace"}
OURS = [model for model in apps.get_models() if model._meta.app_label in OUR_APPS]
OF_NO_TEAM = {"auth.Group", "billing.Price", "socialaccount.SocialApp", "socialaccount.SocialToken"}
CHANGEABLE = {"User", "Team", "Membership", "TeamPlan", "Price", "Budget"}


@pytest.fixture
def operator(db: None) -> User:
    return UserFactory(email="ops@example.com", is_staff=True, is_superuser=True)


@pytest.fixture
def desk(operator: User) -> Client:
    client = Client()
    client.force_login(operator, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def run(team: Team, alice: User) -> Run:
    """Run with one row of everything around it."""
    task = TaskFactory(agent__team=team)
    run = RunFactory(team=team, agent=task.agent, task=task, title="Weekly report")
    file = save_file(team_id=team.pk, content=b"a;b\n", name="a.csv")
    RunInput.objects.create(run=run, file=file, name="a.csv")
    Artifact.objects.create(team=team, run=run, path="report.md", file=file)
    HumanRequest.objects.create(team=team, run=run, kind="question", title="Which one?")
    Step.objects.create(run=run, index=1, kind="tool", status="done", tool="query_table")
    shares.share_run(run=run, actor=alice)
    event_log.append(run, Log(text="hello"))
    AgentMemory(agent_id=run.agent_id, team_id=team.pk).remember(text="Pays in euros.")
    UsageRecord.objects.create(team=team, key="k", kind="model", outcome="charged", run_id=run.pk, step_key="s")
    save_budget(team=team, limit_usd=20)  # type: ignore[arg-type]
    TeamPlan.objects.get_or_create(team=team)
    keys.create_key(team=team, actor=alice, name="CI", scopes=["runs:read"])
    return run


def url_of(model: type[Model], page: str, *args: Any) -> str:
    from django.urls import reverse

    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def test_every_model_is_in_the_admin() -> None:
    assert {model.__name__ for model in OURS if model not in admin.site._registry} == set()


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_every_list_and_every_row_can_be_looked_at(desk: Client, run: Run, model: type[Model]) -> None:
    listed = desk.get(url_of(model, "changelist"))
    searched = desk.get(url_of(model, "changelist"), {"q": "acme"})
    row = model._default_manager.first()

    assert (listed.status_code, searched.status_code) == (200, 200)
    if row is not None:
        assert desk.get(url_of(model, "change", row.pk)).status_code == 200


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_history_can_be_read_and_not_changed(desk: Client, run: Run, model: type[Model]) -> None:
    assert isinstance(admin.site._registry[model], ReadOnlyAdmin) is (model.__name__ not in CHANGEABLE)
    row = model._default_manager.first()
    if model.__name__ in CHANGEABLE or row is None:
        return
    assert desk.get(url_of(model, "add")).status_code == 403
    assert desk.post(url_of(model, "change", row.pk), {}).status_code == 403
    assert desk.post(url_of(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    assert model._default_manager.filter(pk=row.pk).exists()


def test_no_page_shows_a_secret(desk: Client, run: Run) -> None:
    key = ApiKey.objects.get()

    assert key.secret_sha256 not in desk.get(url_of(ApiKey, "change", key.pk)).content.decode()


def act(desk: Client, model: type[Model], action: str, *rows: Model) -> list[str]:
    """Run an action on rows; return the messages to the operator."""
    answer = desk.post(url_of(model, "changelist"), {"action": action, "_selected_action": [row.pk for row in rows]})
    assert answer.status_code == 302
    desk.get("/admin/")  # shows the messages, so that they are not found again
    return [str(message) for message in get_messages(answer.wsgi_request)]


def test_a_run_is_repaired_and_cancelled(desk: Client, run: Run, operator: User) -> None:
    run.move_to(RunStatus.RUNNING, lease_expires_at=timezone.now() - timedelta(minutes=5))
    epoch = run.epoch

    assert act(desk, Run, "repair", run) == ["1 repaired."]
    run.refresh_from_db()
    assert run.epoch > epoch
    assert act(desk, Run, "cancel", run) == ["1 cancelled."]
    run.refresh_from_db()
    assert run.status == RunStatus.CANCELLED
    assert act(desk, Run, "repair", run) == ["Weekly report: A run that is cancelled needs no repair."]
    assert AuditEntry.objects.filter(actor=operator, action="run.cancelled").count() == 1


def test_keys_links_and_agents_are_stopped(desk: Client, run: Run) -> None:
    assert act(desk, ApiKey, "revoke", ApiKey.objects.get()) == ["1 revoked."]
    assert act(desk, Agent, "pause", run.agent) == ["1 paused."]
    run.agent.refresh_from_db()
    assert run.agent.status == "paused"
    share = run.shares.get()
    assert act(desk, type(share), "revoke", share) == ["1 revoked."]
    assert run.shares.filter(revoked_at__isnull=True).count() == 0


def test_a_raised_budget_goes_through_the_service(desk: Client, run: Run) -> None:
    budget = Budget.objects.get()

    desk.post(url_of(Budget, "change", budget.pk), {"limit_usd": "50"})

    budget.refresh_from_db()
    assert budget.limit_usd == 50


@pytest.mark.django_db(transaction=True)
def test_operators_see_a_model_that_does_not_answer_and_have_it_asked_again(desk: Client, settings: Any) -> None:
    settings.ANTHROPIC_API_KEY = "key"
    now = timezone.now()
    away = ModelCircuit.objects.create(
        provider="anthropic", model="claude-sonnet-5-5", failures=9, failing_since=now - timedelta(minutes=4),
        error="overloaded", detail="The provider is overloaded.", opened_at=now, retry_at=now + timedelta(hours=1),
    )  # fmt: skip

    page = desk.get("/admin/health/").content.decode()

    assert "Models that do not answer" in page
    assert "The provider is overloaded." in page
    with pytest.raises(health.Down, match=r"No answer from claude-sonnet-5-5 since \d\d:\d\d UTC \(overloaded\)"):
        health.model()
    assert not ModelCircuit.objects.due().exists()
    assert act(desk, ModelCircuit, "probe_now", away) == ["1 due."]
    assert ModelCircuit.objects.due().get() == away


def test_what_operators_do_is_in_the_audit_log_of_each_team_that_it_touches(
    desk: Client, run: Run, other_team: Team, alice: User, bob: User
) -> None:
    Membership.objects.create(team=other_team, user=alice, role="viewer")
    plan, team = TeamPlan.objects.get(team=run.team), run.team
    issue_pair(user=alice)
    before_hue = alice.hue

    desk.post(url_of(TeamPlan, "change", plan.pk), {"plan": "pro"})
    desk.post(url_of(Budget, "change", Budget.objects.get().pk), {"limit_usd": "50"})
    desk.post(url_of(User, "change", alice.pk), {"name": "Alice B.", "hue": "teal", "is_active": "on"})
    desk.post(url_of(Membership, "delete", Membership.objects.get(user=bob).pk), {"post": "yes"})
    act(desk, Agent, "pause", run.agent)
    act(desk, TokenFamily, "revoke", TokenFamily.objects.get())

    found = AuditEntry.objects.filter(actor__email="ops@example.com").order_by("id")
    assert [(entry.action, entry.team) for entry in found] == [
        ("plan.assigned", team),
        ("operator.changed_teamplan", team),
        ("budget.set", team),
        ("operator.changed_budget", team),
        ("operator.changed_user", team),
        ("operator.changed_user", other_team),
        ("operator.deleted_membership", team),
        ("member.removed", team),
        ("agent.paused", team),
        ("session.ended", team),
        ("session.ended", other_team),
    ]
    assert {entry.actor_label for entry in found} == {"ops@example.com (operator)"}
    assert {entry.address for entry in found} == {"127.0.0.1"}
    values = {"before": {"plan": "enterprise"}, "after": {"plan": "pro"}}
    assert found[1].data == {"changes": [{"changed": {"fields": ["Plan"]}}], **values}
    assert found[4].data["before"] == {"name": "Alice", "hue": before_hue}
    assert found[4].data["after"] == {"name": "Alice B.", "hue": "teal"}


def test_a_team_is_not_closed_by_a_form_of_the_desk(desk: Client, team: Team, alice: User) -> None:
    """Deleting a team stops its work and ends its keys and links; a date in a form would not."""
    form = {"name": "Acme", "slug": "acme", "email": "", "removed_at_0": "2026-01-01", "removed_at_1": "10:00"}
    inline = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}

    answer = desk.post(url_of(Team, "change", team.pk), form | inline)

    team.refresh_from_db()
    assert (answer.status_code, team.removed_at) == (302, None)


def test_the_rules_of_membership_hold_at_the_desk(desk: Client, team: Team, alice: User, bob: User) -> None:
    """The last owner stays, and a removed member's keys stay revoked, also after their return."""
    key, _ = keys.create_key(team=team, actor=bob, name="CI", scopes=["runs:read"])
    owner, member = (url_of(Membership, "change", Membership.objects.get(user=user).pk) for user in (alice, bob))

    refused = [
        desk.post(owner, {"role": "viewer"}),
        desk.post(owner.replace("change", "delete"), {"post": "yes"}),
        desk.post(
            url_of(Membership, "changelist"),
            {"action": "delete_selected", "_selected_action": [m.pk for m in team.memberships.all()], "post": "yes"},
        ),
    ]
    assert [answer.status_code for answer in refused] == [409] * 3
    assert {m.user: m.role for m in team.memberships.all()} == {alice: "owner", bob: "member"}
    assert not AuditEntry.objects.filter(actor__email="ops@example.com").exists()

    assert desk.post(member, {"role": "admin"}).status_code == 302
    assert desk.post(member.replace("change", "delete"), {"post": "yes"}).status_code == 302
    again = desk.post(url_of(Membership, "add"), {"team": team.pk, "user": bob.pk, "role": "member"})
    key.refresh_from_db()
    assert (again.status_code, team.memberships.get(user=bob).role) == (302, "member")
    assert key.revoked_at is not None


def deleting(desk: Client, *people: User) -> Any:
    """Confirm the deletion: of one person on their page, of several by the list's action."""
    if len(people) == 1:
        return desk.post(url_of(User, "delete", people[0].pk), {"post": "yes"})
    chosen = {"action": "delete_selected", "_selected_action": [person.pk for person in people], "post": "yes"}
    return desk.post(url_of(User, "changelist"), chosen)


@pytest.mark.parametrize("together", [False, True], ids=["alone", "by the list's action"])
def test_whoever_is_deleted_leaves_no_team_of_others_without_an_owner(
    desk: Client, team: Team, alice: User, bob: User, charlie: User, together: bool
) -> None:
    also = [charlie] if together else []

    answer = deleting(desk, *also, alice)

    assert answer.status_code == 409
    assert "alice@example.com is the last owner of Acme" in answer.text
    assert "Make one of them an owner first" in answer.text
    assert User.objects.filter(pk__in=[alice.pk, charlie.pk]).count() == 2
    assert not AuditEntry.objects.filter(actor__email="ops@example.com").exists()

    team.memberships.filter(user=bob).update(role="owner")
    assert deleting(desk, *also, alice).status_code == 302
    assert not User.objects.filter(pk__in=[alice.pk, *(one.pk for one in also)]).exists()
    assert [member.user for member in team.memberships.all()] == [bob]
    assert AuditEntry.objects.filter(team=team, action="member.removed", subject_id=str(alice.pk)).count() == 1


def test_with_people_go_the_teams_that_are_only_theirs(desk: Client, run: Run, alice: User, bob: User) -> None:
    key, _ = keys.create_key(team=run.team, actor=bob, name="CI", scopes=["runs:read"])
    issue_pair(user=alice, user_agent="curl")

    answer = deleting(desk, bob, alice)

    assert answer.status_code == 302
    run.refresh_from_db()
    key.refresh_from_db()
    assert (run.status, run.team.memberships.count()) == (RunStatus.CANCELLED, 0)
    assert (run.team.removed_at is None, key.revoked_at is None) == (False, False)
    assert AuditEntry.objects.filter(team=run.team, action="team.removed").count() == 1


def test_no_form_of_the_admin_changes_a_teams_rows_unseen() -> None:
    """A registered model is read-only or audited; all others belong to no team."""
    unseen = {
        model._meta.label
        for model, desk in admin.site._registry.items()
        if not isinstance(desk, ReadOnlyAdmin | AuditedAdmin)
    }

    assert {label for label in unseen if not label.startswith("django_celery_beat.")} <= OF_NO_TEAM


def test_prices_are_added(desk: Client) -> None:
    usd = {f"{kind}_usd": "1" for kind in ("input", "output", "cache_read", "cache_write")}

    desk.post(url_of(Price, "add"), usd | {"model": "claude-next", "effective_from": "2027-01-01"})

    assert Price.objects.filter(model="claude-next").count() == 1


def test_a_person_whom_an_operator_adds_can_sign_in(desk: Client) -> None:
    cache.clear()
    desk.post(
        url_of(User, "add"),
        {"email": "New@Example.com", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD},
    )

    user = User.objects.get(email="new@example.com")
    assert Membership.objects.get(user=user).role == "owner"
    client = Client()
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert client.get("/api/v1/me/").status_code == 200


# ---- Health page


def test_the_health_page_shows_what_is_stuck_and_repairs_it(desk: Client, run: Run) -> None:
    Run.objects.update(queued_at=timezone.now() - timedelta(minutes=9))
    HumanRequest.objects.all().delete()

    page = desk.get("/admin/health/").content.decode()
    assert "Weekly report" in page
    assert "It has waited for a worker for 9\xa0minutes" in page
    assert "Wake a worker" in page

    answer = desk.post("/admin/health/", {"run": run.pk})
    assert answer.status_code == 302
    assert [str(message) for message in get_messages(answer.wsgi_request)] == [
        "Weekly report: done. It should go on within seconds."
    ]
    assert AuditEntry.objects.filter(action="run.woken").count() == 1
    assert desk.post("/admin/health/", {"run": "nonsense"}).status_code == 404


def test_only_operators_get_in(team: Team, alice: User, operator: User, run: Run) -> None:
    person = Client()
    person.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")

    for client in (Client(), person):
        for path in ("/admin/", "/admin/health/", url_of(Run, "changelist"), url_of(Run, "change", run.pk)):
            answer = client.get(path)
            assert answer.status_code in {302, 403}
            assert "Weekly report" not in answer.content.decode()
        assert client.post("/admin/health/", {"run": run.pk}).status_code in {302, 401, 403}
    assert AuditEntry.objects.filter(action="run.woken").count() == 0


def test_the_admin_has_no_sign_in_of_its_own(operator: User) -> None:
    """A sign-in form of the admin would allow unlimited guesses of passwords."""
    answer = Client().post("/admin/login/", {"username": operator.email, "password": PASSWORD})

    assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/accounts/login/")
