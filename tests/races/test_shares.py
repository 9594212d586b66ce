"""Sharing of a run while its agent becomes limited."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import Team, User
from agents.services.visibility import limit_agent
from tasks.models import RunShare
from tasks.services import shares
from tests.factories import RunFactory
from tests.races.concurrency import at_once

pytestmark = pytest.mark.usefixtures("transactional_db")


def test_no_link_is_left_by_who_does_not_see_the_agent_any_more(team: Team, alice: User, bob: User) -> None:
    run = RunFactory(team=team)

    def work(n: int) -> Any:
        if n == 3:
            return limit_agent(agent=run.agent, actor=alice, to=[])
        return shares.share_run(run=run, actor=bob)

    at_once(8, work)

    run.agent.refresh_from_db()
    assert run.agent.is_limited
    assert RunShare.objects.filter(revoked_at=None).count() == 0
