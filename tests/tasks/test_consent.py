"""Loosening consent takes `team:admin` on every surface, tightening does not.

Runs that nobody could approve are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.errors import Conflict, InsufficientScope
from accounts.models import Membership, Role, Team, User
from accounts.services import tokens
from agents import roles
from agents.models import Agent, AgentVersion
from agents.services import agents, consent
from agents.services.visibility import limit_agent
from tasks.models import HumanRequest, Run
from tasks.services import forks, onboarding, periodic
from tasks.services.continuing import continue_run
from tests.calling import Api, api_of
from tests.factories import AgentFactory, MembershipFactory, RunFactory, TaskFactory, UserFactory, start_run
from tools import catalog
from tools.spec import Policy

pytestmark = [pytest.mark.django_db, pytest.mark.promise("G20")]
AGENTS, RUNS = "/api/v1/agents/", "/api/v1/runs/"
Config = dict[str, Any]


def tools(**policies: str) -> Config:
    return {"tools": [{"tool": name, "policy": policy} for name, policy in policies.items()]}


def options(**given: Any) -> Config:
    return {"options": given}


LOOSER: dict[str, tuple[Config, Config]] = {
    "ask to allow": (tools(email_report="ask"), tools(email_report="allow")),
    "ask to allow, where allow is the default": (tools(fetch_url="ask"), tools(fetch_url="allow")),
    "deny to ask": (tools(email_report="deny"), tools(email_report="ask")),
    "deny to allow": (tools(read_file="deny"), tools(read_file="allow")),
    "a new tool below its default": (tools(read_file="allow"), tools(read_file="allow", email_report="allow")),
    "four eyes off": (options(four_eyes=True), options(four_eyes=False)),
    "no approvers": (options(approvers=["boss@example.com"]), options(approvers=[])),
    "one more approver": (
        options(approvers=["boss@example.com"]),
        options(approvers=["boss@example.com", "bob@example.com"]),
    ),
    "another approver": (options(approvers=["boss@example.com"]), options(approvers=["bob@example.com"])),
    "any host": (options(allowed_hosts=["example.com"]), options(allowed_hosts=[])),
    "one more host": (
        options(allowed_hosts=["*.example.com"]),
        options(allowed_hosts=["a.example.com", "example.com"]),
    ),
    "all hosts below one": (options(allowed_hosts=["a.example.com"]), options(allowed_hosts=["*.example.com"])),
}
"""Configurations (before, after). Each is looser; reversed it is a tightening, except for those in ONE_WAY."""
ONE_WAY = {"another approver", "one more host"}
"""Names of changes that loosen in both directions."""


def agent_with(team: Team, config: Config) -> Agent:
    return AgentFactory(team=team, **{f"version__{name}": value for name, value in config.items()})


def state(agent: Agent) -> tuple[Any, ...]:
    agent.refresh_from_db()
    return agent.version.number, agent.version.tools, agent.version.options


# ---- Callers without permission


@pytest.fixture
def boss(team: Team) -> User:
    return MembershipFactory(team=team, role=Role.ADMIN, user__email="boss@example.com").user


@pytest.fixture
def viewer(team: Team) -> User:
    return MembershipFactory(team=team, role=Role.VIEWER).user


def with_token(user: User) -> Api:
    return Api(headers={"Authorization": f"Bearer {tokens.issue_pair(user=user).access}", "X-Team": "acme"})


def in_browser(user: User) -> Api:
    """Return a session with its CSRF token."""
    api = Api(headers={"X-Team": "acme"})
    api.force_login(user)
    return api


CALLERS: dict[str, Callable[..., Api]] = {
    "a member's session": lambda team, **who: in_browser(who["bob"]),
    "a member's token": lambda team, **who: with_token(who["bob"]),
    "a member's key": lambda team, **who: api_of(who["bob"], team, "agents:write", "agents:read", "runs:write"),
    "a viewer's token": lambda team, **who: with_token(who["viewer"]),
    "a viewer's key": lambda team, **who: api_of(who["viewer"], team, "agents:read"),
    "an owner's key without team:admin": lambda team, **who: api_of(who["alice"], team, "agents:write", "agents:read"),
    "an admin's key without team:admin": lambda team, **who: api_of(who["boss"], team, "agents:write", "agents:read"),
}
ADMINS: dict[str, Callable[..., Api]] = {
    "an owner's token": lambda team, **who: with_token(who["alice"]),
    "an admin's session": lambda team, **who: in_browser(who["boss"]),
    "an owner's key with team:admin": lambda team, **who: api_of(who["alice"], team),
}


@pytest.fixture
def people(alice: User, bob: User, boss: User, viewer: User) -> dict[str, User]:
    return {"alice": alice, "bob": bob, "boss": boss, "viewer": viewer}


@pytest.fixture
def caller(request: pytest.FixtureRequest, team: Team, people: dict[str, User]) -> Api:
    return (CALLERS | ADMINS)[request.param](team, **people)


# ---- The surfaces that change an agent


def by_patch(api: Api, agent: Agent, before: Config, after: Config) -> Any:
    return api.send("PATCH", f"{AGENTS}{agent.pk}/", after)


def by_restore(api: Api, agent: Agent, before: Config, after: Config) -> Any:
    return api.send("POST", f"{AGENTS}{agent.pk}/versions/1/restore/", {})


def by_restore_page(api: Api, agent: Agent, before: Config, after: Config) -> Any:
    return api.post(reverse("tasks:agent_restore", kwargs={"team": "acme", "agent_id": agent.pk, "number": 1}))


def by_page(api: Api, agent: Agent, before: Config, after: Config) -> Any:
    policies = {row["tool"]: row["policy"] for row in after["tools"]}
    form = {
        **{"name": agent.name, "hue": "blue", "icon": "bot", "instructions": "Do it.", "model": "demo:demo-1"},
        **{"max_cost_usd": "1.00", "max_turns": "40", "timeout_min": "30", "max_concurrent_runs": "10"},
        **{f"tool_{name}": policies.get(name, "deny") for name in catalog.BUILTIN},
    }
    return api.post(reverse("tasks:agent_edit", kwargs={"team": "acme", "agent_id": agent.pk}), form)


def pinned(team: Team, before: Config, after: Config) -> Agent:
    """Return an agent whose first version is the loose one, and whose present one is not."""
    agent = agent_with(team, {"tools": [], "options": {}} | after)
    strict = {"tools": [], "options": {}} | before
    version = AgentVersion.objects.create(team=team, agent=agent, number=2, instructions="Do it.", **strict)
    version.runtime, version.model = "demo", "demo-1"
    version.save()
    agent.version = version
    agent.save()
    return agent


SURFACES: dict[str, tuple[Callable[..., Any], Callable[..., Agent]]] = {
    "PATCH": (by_patch, lambda team, before, after: agent_with(team, before)),
    "restore": (by_restore, pinned),
    "restore on the page": (by_restore_page, pinned),
    "the page's form": (by_page, lambda team, before, after: agent_with(team, before)),
}
IN_BROWSERS = {"restore on the page", "the page's form"}
CASES = [
    pytest.param(surface, case, caller, id=f"{surface}: {case}, by {caller}")
    for surface in SURFACES
    for case, (_, after) in LOOSER.items()
    for caller in CALLERS
    if ("session" in caller) is (surface in IN_BROWSERS)
    or (surface not in IN_BROWSERS and "session" in caller and case == "four eyes off")
    if surface != "the page's form" or "tools" in after
]


@pytest.mark.parametrize(("surface", "case", "caller"), CASES, indirect=["caller"])
def test_who_may_not_raise_money_may_not_loosen_consent(team: Team, surface: str, case: str, caller: Api) -> None:
    act, prepare = SURFACES[surface]
    agent = prepare(team, *LOOSER[case])
    was = state(agent)

    answer = act(caller, agent, *LOOSER[case])

    assert answer.status_code == (422 if surface == "the page's form" else 403), answer.content
    assert (state(agent), AgentVersion.objects.filter(agent=agent).count()) == (was, was[0])
    if surface in ("PATCH", "restore"):
        assert answer.json()["code"] == "insufficient_scope"


@pytest.mark.parametrize("case", LOOSER)
@pytest.mark.parametrize("caller", ADMINS, indirect=True)
def test_owners_and_admins_loosen_it(team: Team, caller: Api, case: str) -> None:
    before, after = LOOSER[case]
    agent = agent_with(team, before)

    answer = by_patch(caller, agent, before, after)

    assert answer.status_code == 200, answer.content
    assert state(agent)[1:] == (after.get("tools", []), after.get("options", {}))


@pytest.mark.parametrize("case", sorted(LOOSER.keys() - ONE_WAY))
def test_a_member_tightens_it(team: Team, bob: User, case: str) -> None:
    after, before = LOOSER[case]
    agent = agent_with(team, before)

    answer = by_patch(with_token(bob), agent, before, after)

    assert answer.status_code == 200, answer.content
    assert state(agent)[1:] == (after.get("tools", []), after.get("options", {}))


def test_the_refusal_names_what_is_loosened(team: Team, bob: User) -> None:
    agent = agent_with(team, tools(email_report="ask") | options(four_eyes=True, allowed_hosts=["a.example"]))
    looser = tools(email_report="allow") | options(four_eyes=False, allowed_hosts=["b.example"])

    answer = by_patch(with_token(bob), agent, {}, looser).json()

    assert (answer["code"], answer["required_scope"]) == ("insufficient_scope", "team:admin")
    assert [error["field"] for error in answer["errors"]] == [
        "tools[0].policy",
        "options.four_eyes",
        "options.allowed_hosts",
    ]
    assert answer["detail"] == (
        "The policy of email_report would be allow instead of ask. Whoever starts a run could approve its calls. "
        "Its tools could reach b.example. It takes an owner or admin of the team (team:admin)."
    )


def test_what_is_as_it_was_is_not_loosened(team: Team, bob: User) -> None:
    """Send back the loose settings of an admin unchanged, as a member."""
    loose = tools(email_report="allow") | options(approvers=["Boss@example.com"], allowed_hosts=["*.example.com"])
    agent = agent_with(team, loose)
    same = loose | options(approvers=["boss@example.com"], allowed_hosts=["a.example.com"])

    assert by_patch(with_token(bob), agent, {}, same | {"instructions": "Else."}).status_code == 200
    assert by_page(in_browser(bob), agent, {}, tools(email_report="allow")).status_code == 302
    assert state(agent)[:2] == (3, loose["tools"])


def test_a_member_gives_an_agent_a_tool_that_it_never_had_and_not_one_that_was_taken(team: Team, bob: User) -> None:
    agent, api = agent_with(team, tools(read_file="allow")), with_token(bob)

    added = by_patch(api, agent, {}, tools(read_file="allow", query_table="allow", email_report="ask"))
    by_patch(api, agent, {}, tools(read_file="allow"))
    again = by_patch(api, agent, {}, tools(read_file="allow", query_table="allow"))

    assert (added.status_code, again.status_code) == (200, 403)
    assert state(agent)[:2] == (3, tools(read_file="allow")["tools"])


# ---- New agents


@pytest.mark.parametrize("body", [{"name": "Rita", "instructions": "Do it."}, {"template": "data-analyst"}])
@pytest.mark.parametrize("caller", CALLERS, indirect=True)
def test_a_new_agent_asks_as_often_as_its_tools_do(team: Team, caller: Api, body: Config) -> None:
    answer = caller.send("POST", AGENTS, body | tools(email_report="allow"))

    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert not Agent.objects.exists()


def test_an_owner_makes_one_that_asks_less(team: Team, alice: User, bob: User) -> None:
    body = {"name": "Rita", "instructions": "Do it."}
    defaults = {tool.name: tool.default_policy.value for tool in catalog.builtins()}

    assert with_token(alice).send("POST", AGENTS, body | tools(email_report="allow")).status_code == 201
    assert with_token(bob).send("POST", AGENTS, body | tools(**defaults)).status_code == 201


def test_the_page_of_a_new_agent_offers_a_member_no_looser_policy(team: Team, alice: User, bob: User) -> None:
    address = reverse("tasks:agent_new", kwargs={"team": "acme"})
    shown = in_browser(bob).get(address)
    form = {
        **{"name": "Rita", "hue": "blue", "icon": "bot", "instructions": "Do it.", "model": "demo:demo-1"},
        **{"max_cost_usd": "1.00", "max_turns": "40", "timeout_min": "30", "max_concurrent_runs": "10"},
        **{f"tool_{name}": "deny" for name in catalog.BUILTIN},
    }

    refused = in_browser(bob).post(address, form | {"tool_email_report": "allow"})

    assert [option.data["attrs"].get("disabled") for option in shown.context["form"]["tool_email_report"]] == [
        True,
        None,
        None,
    ]
    assert "Dimmed settings take an owner or admin" in shown.text
    assert refused.status_code == 422
    assert "“Allowed” takes an owner or admin of the team" in refused.text
    assert not Agent.objects.exists()
    assert "Dimmed settings" not in in_browser(alice).get(address).text
    assert in_browser(alice).post(address, form | {"tool_email_report": "allow"}).status_code == 302


@pytest.mark.parametrize("role", roles.ROLES, ids=lambda role: role.key)
def test_no_role_template_asks_less_than_its_tools_do(team: Team, bob: User, role: roles.RoleTemplate) -> None:
    agent = onboarding.hire_role(team=team, actor=bob, role=role.key)

    assert consent.loosened(agent=None, wanted=agent.version) == []


def test_a_service_that_is_not_told_of_an_admin_loosens_nothing(team: Team, alice: User) -> None:
    """Call the services without the permission: new callers must pass it explicitly."""
    agent = agent_with(team, tools(email_report="ask"))

    with pytest.raises(InsufficientScope):
        agents.update_agent(agent=agent, actor=alice, changes=tools(email_report="allow"))
    with pytest.raises(InsufficientScope):
        agents.create_agent(
            team=team, actor=alice, name="Rita", instructions="Do it.", **tools(email_report=Policy.ALLOW.value)
        )
    assert AgentVersion.objects.count() == 1


def test_an_operator_cannot_change_an_agent_in_the_admin(client: Client, team: Team) -> None:
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    agent = agent_with(team, options(four_eyes=True))
    was = state(agent)

    for model, pk in (("agent", agent.pk), ("agentversion", agent.version.pk)):
        changed = client.post(reverse(f"admin:agents_{model}_change", args=[pk]), {"options": "{}", "tools": "[]"})
        assert changed.status_code == 403
        assert client.post(reverse(f"admin:agents_{model}_add"), {}).status_code == 403
    assert state(agent) == was


def test_the_page_of_an_agent_says_which_versions_take_an_admin(team: Team, alice: User, bob: User) -> None:
    agent = pinned(team, tools(email_report="ask"), tools(email_report="allow"))
    address = reverse("tasks:agent_detail", kwargs={"team": "acme", "agent_id": agent.pk})

    members, owners = in_browser(bob).get(address).text, in_browser(alice).get(address).text

    assert ("An owner or admin can restore this version" in members, "Restore this version" in members) == (
        True,
        False,
    )
    assert "Restore this version" in owners


# ---- Runs that nobody could approve

UNAPPROVABLE: dict[str, tuple[Config, str]] = {
    "nobody of the team is named": (options(approvers=["gone@example.com"]), "Ana leaves that to gone@example.com."),
    "only viewers are named": (options(approvers=["viewer@example.com"]), "Ana leaves that to viewer@example.com."),
    "only the starter is named": (
        options(approvers=["BOB@example.com"], four_eyes=True),
        "Ana leaves that to bob@example.com but never to who starts the run.",
    ),
}
ASKS = tools(read_file="allow", email_report="ask")


@pytest.fixture(params=UNAPPROVABLE)
def stuck(request: pytest.FixtureRequest, team: Team) -> tuple[Agent, str]:
    """Agent whose calls nobody could approve in a run of bob's. The text is the message that says so."""
    MembershipFactory(team=team, role=Role.VIEWER, user__email="viewer@example.com")
    config, said = UNAPPROVABLE[request.param]
    return AgentFactory(team=team, name="Ana", version__tools=ASKS["tools"], version__options=config["options"]), said


def ended(agent: Agent, status: str = "succeeded") -> Run:
    by = User.objects.filter(email="bob@example.com").first()
    return RunFactory(agent=agent, status=status, finished_at=timezone.now(), created_by=by)


STARTS: dict[str, Callable[[Api, Agent], Any]] = {
    "start": lambda api, agent: api.send("POST", RUNS, {"agent": str(agent.pk), "prompt": "Go."}),
    "start later": lambda api, agent: api.send(
        "POST",
        RUNS,
        {"agent": str(agent.pk), "prompt": "Go.", "start_at": (timezone.now() + timedelta(days=2)).isoformat()},
    ),
    "task": lambda api, agent: api.send("POST", f"/api/v1/tasks/{TaskFactory(agent=agent).pk}/runs/", {}),
    "retry": lambda api, agent: api.send("POST", f"{RUNS}{ended(agent).pk}/retry/", {}),
    "fork": lambda api, agent: api.send("POST", f"{RUNS}{ended(agent).pk}/fork/", {"from_seq": 0}),
    "continue": lambda api, agent: api.send("POST", f"{RUNS}{ended(agent, status='failed').pk}/continue/", {}),
    "demo": lambda api, agent: api.send("POST", f"{AGENTS}{agent.pk}/demo/", {}),
}


@pytest.mark.parametrize("how", STARTS)
def test_a_run_that_nobody_could_approve_is_refused_over_the_api(bob: User, stuck: tuple[Agent, str], how: str) -> None:
    agent, said = stuck

    answer = STARTS[how](with_token(bob), agent)

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert answer.json()["detail"] == (
        f"Nobody in the team could approve the calls of this run: {said} "
        "An owner or admin of the team can change who approves."
    )
    assert not Run.objects.exclude(status__in=("succeeded", "failed")).exists()


def test_many_are_retried_and_those_that_nobody_could_approve_are_left(bob: User, stuck: tuple[Agent, str]) -> None:
    agent, _ = stuck
    fine = AgentFactory(team=agent.team)
    old = [ended(agent), ended(fine)]

    answer = with_token(bob).send("POST", f"{RUNS}bulk-retry/", {"runs": [str(run.pk) for run in old]})

    assert [result["outcome"] for result in answer.json()["results"]] == ["refused", "started"]
    assert Run.objects.filter(agent=agent).count() == 1


def pages(agent: Agent) -> dict[str, tuple[str, Config]]:
    def path(name: str, **ids: Any) -> str:
        return reverse(f"tasks:{name}", kwargs={"team": "acme", **ids})

    day = (timezone.now() + timedelta(days=2)).strftime("%Y-%m-%d")
    new = {"agent": str(agent.pk), "prompt": "Go.", "priority": "0", "start": "now", "zone": "UTC"}
    return {
        "start": (path("run_new"), new),
        "start later": (path("run_new"), new | {"start": "later", "start_date": day, "start_time": "10:00"}),
        "task": (path("task_detail", task_id=TaskFactory(agent=agent).pk), {"priority": "0", "start": "now"}),
        "retry": (path("run_retry", run_id=ended(agent).pk), {}),
        "fork": (path("run_fork", run_id=ended(agent).pk), {"from_step": "0", "prompt": "Go."}),
        "first run": (path("onboarding_first_run", agent_id=agent.pk), {"prompt": "Go."}),
    }


@pytest.mark.parametrize("how", ["start", "start later", "task", "retry", "fork", "first run"])
def test_a_run_that_nobody_could_approve_is_refused_on_the_page(bob: User, stuck: tuple[Agent, str], how: str) -> None:
    agent, _ = stuck
    address, form = pages(agent)[how]

    answer = in_browser(bob).post(address, form, follow=True)

    assert answer.status_code in (409, 422)
    assert "Nobody in the team could approve the calls of this run" in answer.text
    assert not Run.objects.exclude(status="succeeded").exists()


def test_a_run_that_was_planned_is_not_started_early_when_nobody_could_approve_it(team: Team, bob: User) -> None:
    agent = AgentFactory(team=team, version__tools=ASKS["tools"], version__options={"approvers": ["alice@example.com"]})
    owner = MembershipFactory(team=team, role=Role.OWNER, user__email="alice@example.com")
    later = timezone.now() + timedelta(days=2)
    run = start_run(team=team, actor=bob, agent=agent, prompt="Go.", start_at=later)

    Membership.objects.filter(pk=owner.pk).update(role=Role.VIEWER)
    answer = with_token(bob).send("POST", f"{RUNS}{run.pk}/start/", {})

    assert (answer.status_code, "Nobody in the team could approve" in answer.json()["detail"]) == (409, True)
    run.refresh_from_db()
    assert (run.status, run.start_at) == ("scheduled", later)


def test_a_planned_run_that_nobody_could_approve_ends_when_it_is_due(team: Team, alice: User, bob: User) -> None:
    agent = AgentFactory(
        team=team, name="Ana", version__tools=ASKS["tools"], version__options={"approvers": ["carl@example.com"]}
    )
    carl = MembershipFactory(team=team, role=Role.MEMBER, user__email="carl@example.com")
    later = timezone.now() + timedelta(days=2)
    made = [start_run(team=team, actor=bob, agent=agent, prompt="Go.", start_at=later) for _ in range(3)]
    fine = start_run(team=team, actor=bob, agent=AgentFactory(team=team), prompt="Go.", start_at=later)
    Membership.objects.filter(pk=carl.pk).update(role=Role.VIEWER)
    due = [made[0], made[1], fine]
    Run.objects.filter(pk__in=[run.pk for run in due]).update(start_at=timezone.now() - timedelta(seconds=1))

    periodic.start_due_runs()

    why = (
        "It did not start. Nobody in the team could approve the calls of this run: "
        "Ana leaves that to carl@example.com. An owner or admin of the team can change who approves."
    )
    for run in made[:2]:
        run.refresh_from_db()
        assert (run.status, run.error_code, run.error_detail) == ("failed", "no_approver", why)
        assert run.finished_at is not None
        assert [event.type for event in run.events.order_by("seq")] == ["run.created", "run.queued", "run.finished"]
        assert run.events.get(seq=3).data["error_code"] == "no_approver"
    assert not HumanRequest.objects.exists()
    assert [Run.objects.get(pk=run.pk).status for run in (made[2], fine)] == ["scheduled", "queued"]

    Membership.objects.filter(pk=carl.pk).update(role=Role.MEMBER)
    assert continue_run(run=made[0], actor=alice).status == "queued"
    Run.objects.filter(pk=made[2].pk).update(start_at=timezone.now() - timedelta(seconds=1))
    periodic.start_due_runs()
    assert Run.objects.get(pk=made[2].pk).status == "queued"


@pytest.mark.parametrize(
    ("config", "by"),
    [
        (tools(email_report="ask") | options(approvers=["alice@example.com"]), "bob"),
        (tools(email_report="ask") | options(four_eyes=True), "bob"),
        (
            tools(email_report="ask") | options(approvers=["bob@example.com", "alice@example.com"], four_eyes=True),
            "bob",
        ),
        (tools(email_report="ask"), "bob"),
        (tools(read_file="allow", ask_human="ask") | options(approvers=["gone@example.com"]), "bob"),
        (tools(email_report="deny") | options(approvers=["gone@example.com"]), "bob"),
        (tools(email_report="ask") | options(approvers=["bob@example.com"], four_eyes=True), "alice"),
    ],
)
def test_what_somebody_could_approve_or_nobody_has_to_starts(
    team: Team, people: dict[str, User], config: Config, by: str
) -> None:
    agent = agent_with(team, config)

    assert start_run(team=team, actor=people[by], agent=agent, prompt="Go.").status == "queued"


def test_who_does_not_see_the_agent_cannot_approve_its_calls(team: Team, alice: User, bob: User) -> None:
    config = tools(email_report="ask") | options(approvers=["bob@example.com"])
    agent = agent_with(team, config)
    start_run(team=team, actor=alice, agent=agent, prompt="Go.")

    limit_agent(agent=agent, actor=alice, to=[])
    agent.refresh_from_db()

    with pytest.raises(Conflict, match="leaves that to bob@example"):
        start_run(team=team, actor=alice, agent=agent, prompt="Go.")
    assert Run.objects.count() == 1


def test_a_team_of_one_cannot_start_what_takes_a_second_person(team: Team, alice: User) -> None:
    agent = agent_with(team, tools(email_report="ask") | options(four_eyes=True))

    with pytest.raises(Conflict, match="to everyone but never to who starts the run"):
        start_run(team=team, actor=alice, agent=agent, prompt="Go.")
    assert not Run.objects.exists()


def test_a_fork_asks_nobody_for_a_tool_that_its_version_does_not_have(team: Team, alice: User) -> None:
    agent = agent_with(team, tools(read_file="allow"))
    run = ended(agent)
    agents.update_agent(agent=agent, actor=alice, changes=ASKS | options(approvers=["gone@example.com"]))
    run.refresh_from_db()

    assert forks.fork_run(run=run, actor=alice).status == "queued"
