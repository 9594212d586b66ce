"""Offered models, the default model, and the end of a model."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team, User
from agents.models import Agent
from agents.services import agents, models
from agents.services.models import Catalogue, ModelEnded
from billing.models import Price
from tasks.models import Run
from tasks.services import forks, runs
from tests.calling import api_of
from tests.factories import AgentFactory, RunFactory, start_run

pytestmark = pytest.mark.django_db
TODAY = date(2026, 12, 1)
FIRST = date(2026, 1, 1)


@pytest.fixture(autouse=True)
def _key(settings: Any) -> None:
    settings.ANTHROPIC_API_KEY = "sk-test"


def price(model: str, *, since: date = FIRST, ends_on: date | None = None) -> Price:
    usd = {f"{kind}_usd": 1 for kind in ("input", "output", "cache_read", "cache_write")}
    return Price.objects.create(model=model, effective_from=since, ends_on=ends_on, **usd)


def ended(team: Team, model: str = "claude-sonnet-4-5", **more: Any) -> Agent:
    price(model, ends_on=date(2020, 1, 31))
    return AgentFactory(team=team, name="Rita", version__runtime="anthropic", version__model=model, **more)


def test_the_price_list_offers_sonnet_to_agents_opus_as_stronger_and_haiku_as_fast() -> None:
    catalogue = Catalogue(TODAY)

    assert catalogue.default() == "claude-sonnet-5-5"
    assert catalogue.newest(models.STRONGER) == "claude-opus-5-5"
    assert catalogue.newest(models.SMALL) == "claude-haiku-5-5"
    assert catalogue.use_of("claude-opus-5-5") == "stronger"
    assert catalogue.use_of("claude-opus-5") == ""


def test_5_10_is_newer_than_5_5() -> None:
    price("claude-sonnet-5-10")

    assert Catalogue(TODAY).default() == "claude-sonnet-5-10"


def test_the_day_comes_before_the_number() -> None:
    price("claude-sonnet-3-9", since=date(2026, 11, 1))

    assert Catalogue(TODAY).default() == "claude-sonnet-3-9"


def test_a_new_price_of_an_old_model_does_not_make_it_the_newest() -> None:
    price("claude-sonnet-5", since=date(2026, 11, 1))

    assert Catalogue(TODAY).default() == "claude-sonnet-5-5"


def test_a_model_whose_price_has_not_begun_is_not_offered() -> None:
    price("claude-sonnet-6", since=date(2026, 12, 2))

    assert "claude-sonnet-6" not in Catalogue(TODAY).names()


def test_the_operator_can_name_the_default(settings: Any) -> None:
    settings.DEFAULT_MODEL = "claude-opus-5-5"
    assert Catalogue(TODAY).default() == "claude-opus-5-5"

    settings.DEFAULT_MODEL = "claude-unheard-of"
    assert Catalogue(TODAY).default() == "claude-sonnet-5-5"


def test_a_model_is_offered_on_its_last_day_and_not_after_it() -> None:
    price("claude-sonnet-4-5", ends_on=date(2026, 11, 30))

    assert "claude-sonnet-4-5" in Catalogue(date(2026, 11, 30)).names()
    assert "claude-sonnet-4-5" not in Catalogue(TODAY).names()


@pytest.mark.parametrize("name", ["claude-sonnet-4-5", "claude-sonnet-4-5-20250929"])
def test_an_end_names_the_newest_of_the_family_that_goes_on(name: str) -> None:
    price("claude-sonnet-4-5", ends_on=date(2026, 11, 30))
    price("claude-sonnet-7", since=date(2026, 11, 1), ends_on=date(2027, 1, 1))

    end = Catalogue(TODAY).end_of("anthropic", name)

    assert end == models.ModelEnd(date(2026, 11, 30), True, "claude-sonnet-5-5")
    assert Catalogue(TODAY).end_of("demo", name) is None


def test_a_run_of_an_agent_whose_model_has_ended_is_refused_until_it_has_another(team: Team, alice: User) -> None:
    agent = ended(team)

    with pytest.raises(ModelEnded) as refused:
        start_run(team=team, actor=alice, agent=agent, prompt="Count.")

    assert refused.value.detail == (
        "The model claude-sonnet-4-5 ended on 2020-01-31. Choose another one such as claude-sonnet-5-5 for Rita."
    )
    assert not Run.objects.exists()
    agent = agents.update_agent(agent=agent, actor=alice, changes={"model": refused.value.extra["replacement"]})
    assert start_run(team=team, actor=alice, agent=agent, prompt="Count.").version == agent.version


def test_a_retry_and_a_fork_are_refused_and_a_replay_is_not(team: Team, alice: User) -> None:
    run = RunFactory(agent=ended(team), status="succeeded", finished_at=timezone.now())

    with pytest.raises(ModelEnded):
        runs.retry_run(run=run, actor=alice)
    with pytest.raises(ModelEnded):
        forks.fork_run(run=run, actor=alice)
    assert Run.objects.count() == 1

    forks.replay_run(run=run, actor=alice)
    fork = forks.fork_run(run=run, actor=alice, model="claude-sonnet-5-5")
    assert (fork.version, fork.model_override) == (run.version, "claude-sonnet-5-5")


def test_the_api_shows_the_end_and_refuses_the_run(team: Team, alice: User) -> None:
    agent, other = ended(team), AgentFactory(team=team)
    api = api_of(alice, team)

    shown = {row["id"]: row["model_end"] for row in api.get("/api/v1/agents/").json()["results"]}
    refused = api.send("POST", "/api/v1/runs/", {"agent": str(agent.pk), "prompt": "Count."})

    end = {"on": "2020-01-31", "is_over": True, "replacement": "claude-sonnet-5-5"}
    assert shown == {str(agent.pk): end, str(other.pk): None}
    assert (refused.status_code, refused.json()["code"]) == (409, "model_ended")
    assert refused.json()["replacement"] == "claude-sonnet-5-5"


def test_the_page_of_the_agent_says_it_and_its_form_offers_the_others(team: Team, alice: User, client: Any) -> None:
    agent = ended(team)
    client.force_login(alice)
    page = f"/t/{team.slug}/agents/{agent.pk}/"

    shown = client.get(page).content.decode()
    form = client.get(f"{page}change/").content.decode()

    assert "claude-sonnet-4-5 ended on 31 January 2020." in shown
    assert "New runs of Rita are refused until it has another model, such as claude-sonnet-5-5." in shown
    assert "Claude Sonnet 4.5, not offered any more" in form
    assert "Claude Opus 5.5, stronger" in form
