"""Forms of pages that are sent several times at the same moment."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import Team, User
from accounts.rest import idempotency
from billing import entitlements
from storage import services
from tasks.models import Run
from tests.factories import AgentFactory
from tests.races.concurrency import at_once, other_connection

pytestmark = [pytest.mark.usefixtures("transactional_db"), pytest.mark.promise("G10")]


@pytest.fixture
def send(team: Team, alice: User) -> Any:
    address, agent = reverse("tasks:run_new", args=["acme"]), AgentFactory(team=team)
    browsers = []
    for _ in range(6):
        browsers.append(Client())
        browsers[-1].force_login(alice)
    return lambda n: browsers[n].post(address, {"agent": agent.pk, "prompt": "Go", "form_key": "1"})


def wait_for(timeout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the lock timeout of a form that waits for its duplicate. The load of the machine has no influence then."""
    really_wait = idempotency._wait

    def wait(*given: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [timeout])
        really_wait(*given)

    monkeypatch.setattr(idempotency, "_wait", wait)


def test_one_form_sent_six_times_at_once_leads_to_one_run(send: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wait_for("60s", monkeypatch)

    answers = at_once(6, send)

    run = Run.objects.get()
    assert [answer["Location"] for answer in answers] == [reverse("tasks:run_detail", args=["acme", run.pk])] * 6


def test_who_waits_too_long_for_the_first_is_told_what_happens(
    send: Any, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction.atomic(), monkeypatch.context() as patched:
        keys: list[str] = []
        patched.setattr(idempotency, "_wait", lambda owner, key: keys.append(key))
        send(0)
        transaction.set_rollback(True)
    wait_for("50ms", monkeypatch)
    with transaction.atomic():
        idempotency._lock(team, keys[0])
        (late,) = at_once(1, send)

    assert late.status_code == 422
    assert 'name="form_key" value="1"' in late.text  # sending it again from here leads to the first run
    assert "the first is still being carried out" in late.text
    assert Run.objects.count() == 0


def test_the_team_goes_on_while_the_files_of_a_form_go_to_the_store(
    team: Team, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    entitlements.assign_plan(team=team, actor=None, plan="free")
    really_put, free = services._put, []

    def put(*given: Any) -> str:
        with other_connection() as db:
            query = "SELECT 1 FROM billing_teamplan WHERE team_id = %s FOR NO KEY UPDATE SKIP LOCKED"
            free.append(db.execute(query, [team.pk]).fetchone() is not None)
        return really_put(*given)

    monkeypatch.setattr(services, "_put", put)
    browser = Client()
    browser.force_login(alice)
    files = [SimpleUploadedFile(f"{n}.csv", b"a;b") for n in range(3)]
    agent = AgentFactory(team=team)
    address = reverse("tasks:run_new", args=["acme"])

    browser.post(address, {"agent": agent.pk, "prompt": "Go", "form_key": "1", "attachments": files})

    assert (free, Run.objects.get().inputs.count()) == ([True] * 3, 3)
