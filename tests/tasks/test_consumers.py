"""Access through sockets, and its end."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.consumer import AsyncConsumer
from django.db import OperationalError
from django.test import AsyncClient, Client
from django.utils import timezone

from accounts import notifications
from accounts.models import Membership, NoticeKind, Role, Team, User
from accounts.notifications import Notice
from accounts.services import keys, tokens
from config.asgi import application
from tasks import event_log, events
from tasks.live import consumers, hub
from tasks.models import Run
from tasks.services import shares
from tests.factories import AgentFactory, HumanRequestFactory, RunFactory
from tests.sockets import Socket
from tests.timeouts import PATIENCE_S

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("closed_hub")]


@pytest.fixture
def run(team: Team) -> Run:
    made: Run = RunFactory(agent=AgentFactory(team=team))
    event_log.append(made, events.Log(text="one"), events.Log(text="two"))
    return made


def socket(path: str, *, user: User | None = None, origin: str | None = "http://localhost", key: str = "") -> Any:
    headers = [(b"host", b"localhost")]
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    if user is not None:
        client = Client()
        client.force_login(user)
        headers.append((b"cookie", f"sessionid={client.cookies['sessionid'].value}".encode()))
    protocols = ["bearer", key] if key else []
    return Socket(application, path, headers=headers, subprotocols=protocols)


async def opened(made: Any) -> Any:
    connected, _ = await made.connect()
    assert connected
    return made


async def closed(made: Any) -> int:
    """Return the close code, after reading everything that was sent before."""
    while True:
        output = await made.receive_output(10)
        if output["type"] == "websocket.close":
            return int(output["code"])


async def test_a_member_sees_history_then_caught_up(run: Run, bob: User) -> None:
    made = await opened(await sync_to_async(socket)(f"/ws/runs/{run.pk}/?after=1", user=bob))

    assert json.loads(await made.receive_from())["data"]["text"] == "two"
    assert json.loads(await made.receive_from()) == {"kind": "caught_up", "seq": 2}
    await made.disconnect()


async def test_the_end_closes_the_socket(run: Run, bob: User) -> None:
    await sync_to_async(run.move_to)("cancelled")
    await sync_to_async(event_log.append)(run, events.RunFinished(status="cancelled"))
    made = await opened(await sync_to_async(socket)(f"/ws/runs/{run.pk}/?after=3", user=bob))

    assert json.loads(await made.receive_from())["kind"] == "caught_up"
    assert json.loads(await made.receive_from()) == {"kind": "end", "status": "cancelled"}
    assert await closed(made) == 1000


async def test_a_viewer_that_leaves_in_the_middle_is_no_error(
    run: Run, bob: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried = asyncio.Event()

    async def has_left(self: object, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.accept":
            await send(self, message)
            return
        tried.set()
        raise ConnectionResetError

    send = AsyncConsumer.send
    monkeypatch.setattr(AsyncConsumer, "send", has_left)
    made = await opened(await sync_to_async(socket)(f"/ws/runs/{run.pk}/", user=bob))

    await asyncio.wait_for(tried.wait(), PATIENCE_S)
    await made.disconnect()

    assert caplog.records == []


@pytest.mark.attack(14)
@pytest.mark.parametrize(
    "origin", ["http://evil.test", "null", None, "http://localhost.evil.test", "http://localhost:1"]
)
async def test_another_origin_is_turned_away_before_the_handshake(run: Run, bob: User, origin: str | None) -> None:
    made = await sync_to_async(socket)(f"/ws/runs/{run.pk}/", user=bob, origin=origin)

    assert await made.connect() == (False, 4403)


@pytest.mark.attack(6)
@pytest.mark.promise("G16")
async def test_an_outsider_and_nobody_see_nothing(run: Run, charlie: User) -> None:
    made = await opened(await sync_to_async(socket)(f"/ws/runs/{run.pk}/", user=charlie))
    assert await made.receive_output(10) == {"type": "websocket.close", "code": 4404}

    made = await opened(socket(f"/ws/runs/{run.pk}/"))
    assert await made.receive_output(10) == {"type": "websocket.close", "code": 4401}


async def test_a_key_of_the_team_may_look_and_a_revoked_one_may_not(run: Run, alice: User) -> None:
    key, token = await sync_to_async(keys.create_key)(team=run.team, actor=alice, name="k", scopes=["runs:read"])
    made = await opened(socket(f"/ws/runs/{run.pk}/", origin=None, key=token))
    assert json.loads(await made.receive_from())["seq"] == 1
    await made.disconnect()

    await sync_to_async(keys.revoke_key)(key=key, actor=alice)
    made = await opened(socket(f"/ws/runs/{run.pk}/", origin=None, key=token))
    assert await closed(made) == 4401


@pytest.mark.attack(7)
@pytest.mark.promise("G16")
async def test_a_person_who_leaves_the_team_is_closed_out(run: Run, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "RECHECK_S", 0.1)
    made = await opened(await sync_to_async(socket)(f"/ws/runs/{run.pk}/?after=2", user=bob))
    assert json.loads(await made.receive_from())["kind"] == "caught_up"

    await Membership.objects.filter(user=bob).adelete()

    assert await closed(made) == 4404


async def test_a_changed_password_closes_old_sockets(run: Run, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "RECHECK_S", 0.1)
    made = await opened(await sync_to_async(socket)(f"/ws/runs/{run.pk}/?after=2", user=bob))
    assert json.loads(await made.receive_from())["kind"] == "caught_up"

    bob.set_password("something else entirely")
    await bob.asave()

    assert await closed(made) == 4404


async def test_signing_out_closes_the_sockets_of_that_browser_and_no_other(
    run: Run, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "RECHECK_S", 0.1)
    browser, made = Client(), []
    await sync_to_async(browser.force_login)(bob)
    cookie = f"sessionid={browser.cookies['sessionid'].value}".encode()
    headers = [(b"host", b"localhost"), (b"origin", b"http://localhost"), (b"cookie", cookie)]
    made.append(await opened(Socket(application, f"/ws/runs/{run.pk}/?after=2", headers=headers)))
    made.append(await opened(await sync_to_async(socket)(f"/ws/runs/{run.pk}/?after=2", user=bob)))
    for one in made:
        assert json.loads(await one.receive_from())["kind"] == "caught_up"

    await sync_to_async(browser.logout)()

    assert await closed(made[0]) == 4404
    assert await made[1].receive_nothing(0.5)
    await made[1].disconnect()


async def test_a_shared_run_can_be_watched_until_the_link_is_revoked(
    run: Run, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "RECHECK_S", 0.1)
    share, token = await sync_to_async(shares.share_run)(run=run, actor=alice)
    made = await opened(socket(f"/ws/share/{token}/?after=2"))
    assert json.loads(await made.receive_from())["kind"] == "caught_up"

    await sync_to_async(shares.revoke_share)(share=share, actor=alice)

    assert await closed(made) == 4404


@pytest.mark.attack(8, 17)
@pytest.mark.parametrize("text", ["null", "[]", '{"kind": "cancel"}', "[" * 100_000])
async def test_a_socket_only_sends(run: Run, bob: User, text: str) -> None:
    made = await opened(await sync_to_async(socket)(f"/ws/runs/{run.pk}/?after=2", user=bob))
    assert json.loads(await made.receive_from())["kind"] == "caught_up"

    await made.send_to(text_data=text)

    assert json.loads(await made.receive_from())["kind"] == "error"
    run_now = await Run.objects.aget(pk=run.pk)
    assert run_now.status == "queued"
    await made.disconnect()


async def test_too_many_sockets_of_one_person(run: Run, bob: User, settings: Any) -> None:
    settings.LIVE_SOCKETS = 1
    first = await opened(await sync_to_async(socket)(f"/ws/runs/{run.pk}/", user=bob))
    second = await opened(await sync_to_async(socket)(f"/ws/runs/{run.pk}/", user=bob))
    _, token = await sync_to_async(keys.create_key)(team=run.team, actor=bob, name="k", scopes=["runs:read"])
    by_key = await opened(await sync_to_async(socket)(f"/ws/runs/{run.pk}/", key=token))

    assert await closed(second) == 4429
    assert await closed(by_key) == 4429
    await first.disconnect()


async def test_the_feed_tells_of_status_changes_and_the_inbox(run: Run, bob: User) -> None:
    made = await opened(await sync_to_async(socket)(f"/ws/feed/?team={run.team.slug}", user=bob))
    assert json.loads(await made.receive_from()) == {"kind": "inbox", "count": 0, "running": False}
    assert json.loads(await made.receive_from()) == {"kind": "bell", "unread": 0}

    hint = {"run": str(run.pk), "status": "running"}
    await sync_to_async(event_log.publish)([(event_log.team_channel(run.team_id), hint)])

    assert json.loads(await made.receive_from()) == {"kind": "run", "run": str(run.pk), "status": "running"}
    await made.disconnect()


async def test_the_feed_tells_whether_a_run_that_the_person_sees_is_at_work(
    run: Run, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "POLL_S", 60.0)  # it looks when it is told to, and not in between
    team = run.team
    hidden = await sync_to_async(AgentFactory)(team=team, is_limited=True)
    await sync_to_async(RunFactory)(agent=hidden, status="running", lease_expires_at=timezone.now())
    made = await opened(await sync_to_async(socket)(f"/ws/feed/?team={team.slug}", user=bob))
    assert (await made.receive_json_from(5))["running"] is False
    await made.receive_json_from(5)

    for status, lease in (("running", timezone.now()), ("queued", None)):
        await Run.objects.filter(pk=run.pk).aupdate(status=status, lease_expires_at=lease)
        await sync_to_async(event_log.announce)(run, status=status)

        assert await made.receive_json_from(5) == {"kind": "run", "run": str(run.pk), "status": status}
        told = await made.receive_json_from(5)
        assert told == {"kind": "inbox", "count": 0, "running": status == "running"}
    await made.disconnect()


async def test_what_changes_while_the_feed_opens_is_not_missed(
    run: Run, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def change_first(self: hub.Hub, channel: str) -> None:
        await sync_to_async(HumanRequestFactory)(run=run)
        await subscribe(self, channel)

    subscribe = hub.Hub._subscribe
    monkeypatch.setattr(hub.Hub, "_subscribe", change_first)
    monkeypatch.setattr(hub, "POLL_S", 60.0)  # nobody looks a second time
    made = await opened(await sync_to_async(socket)(f"/ws/feed/?team={run.team.slug}", user=bob))

    assert json.loads(await made.receive_from()) == {"kind": "inbox", "count": 1, "running": False}
    await made.disconnect()


@pytest.mark.promise("G16")
async def test_what_waits_in_another_team_is_not_counted(run: Run, charlie: User, other_team: Team) -> None:
    await sync_to_async(HumanRequestFactory)(run=run)
    mine = await sync_to_async(RunFactory)(agent=await sync_to_async(AgentFactory)(team=other_team))
    made = await opened(await sync_to_async(socket)(f"/ws/feed/?team={other_team.slug}", user=charlie))

    assert await made.receive_json_from(5) == {"kind": "inbox", "count": 0, "running": False}
    assert await made.receive_json_from(5) == {"kind": "bell", "unread": 0}
    for changed in (run, mine):
        await sync_to_async(event_log.announce)(changed, status="running")
    assert json.loads(await made.receive_from()) == {"kind": "run", "run": str(mine.pk), "status": "running"}
    await made.disconnect()


@pytest.mark.promise("G16")
async def test_the_bell_of_one_person_rings_for_nobody_else(run: Run, alice: User, bob: User) -> None:
    def tell(subject: str) -> None:
        notice = Notice(
            kind=NoticeKind.FAILED, title="Ana", url="/", action="Look", subject_type="thing", subject_id=subject
        )
        notifications.notify(team=run.team, people=[bob], notice=notice, needs="runs:read")

    feed = f"/ws/feed/?team={run.team.slug}"
    his, hers = [await opened(await sync_to_async(socket)(feed, user=person)) for person in (bob, alice)]
    _, token = await sync_to_async(keys.create_key)(team=run.team, actor=bob, name="k", scopes=["runs:read"])
    keyed = await opened(await sync_to_async(socket)(feed, key=token))
    for made in (his, hers, keyed):
        assert (await made.receive_json_from(5))["kind"] == "inbox"
    assert [await made.receive_json_from(5) for made in (his, hers)] == [{"kind": "bell", "unread": 0}] * 2

    await sync_to_async(tell)("1")
    assert await his.receive_json_from(10) == {"kind": "bell", "unread": 1}
    await sync_to_async(notifications.mark_read)(team=run.team, person=bob, actions={"runs:read"})
    assert await his.receive_json_from(10) == {"kind": "bell", "unread": 0}

    assert [await made.receive_nothing(0.2) for made in (hers, keyed)] == [True, True]
    for made in (his, hers, keyed):
        await made.disconnect()


def tell_of(team: Team, person: User, kind: NoticeKind, needs: str) -> None:
    notice = Notice(kind=kind, title="Ana", url="/", action="Look", subject_type="thing", subject_id=kind)
    notifications.notify(team=team, people=[person], notice=notice, needs=needs)


@pytest.mark.promise("G16")
async def test_who_sees_money_only_hears_the_bell_and_nothing_of_runs(
    run: Run, team: Team, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "RECHECK_S", 0.3)
    await sync_to_async(tell_of)(team, bob, NoticeKind.FAILED, "runs:read")
    await Membership.objects.filter(user=bob).aupdate(role=Role.BILLING)
    made = await opened(await sync_to_async(socket)(f"/ws/feed/?team={team.slug}", user=bob))
    assert await made.receive_json_from(5) == {"kind": "bell", "unread": 0}

    await sync_to_async(HumanRequestFactory)(run=run)
    await sync_to_async(event_log.announce)(run, status="waiting")
    await sync_to_async(tell_of)(team, bob, NoticeKind.BUDGET, "billing:read")

    assert await made.receive_json_from(10) == {"kind": "bell", "unread": 1}
    assert await made.receive_nothing(0.5)
    await Membership.objects.filter(user=bob).adelete()
    assert await closed(made) == 4403


async def test_a_feed_ends_when_its_person_begins_or_ceases_to_see_runs(
    team: Team, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "RECHECK_S", 0.3)
    for role in (Role.BILLING, Role.MEMBER):
        made = await opened(await sync_to_async(socket)(f"/ws/feed/?team={team.slug}", user=bob))
        await made.receive_json_from(5)

        await Membership.objects.filter(user=bob).aupdate(role=role)

        assert await closed(made) == 4403


@pytest.mark.promise("G16")
async def test_the_feed_of_another_team_is_refused(run: Run, charlie: User) -> None:
    made = await opened(await sync_to_async(socket)(f"/ws/feed/?team={run.team.slug}", user=charlie))

    assert await closed(made) == 4403


async def test_a_socket_whose_check_breaks_takes_no_place(run: Run, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    async def breaks(self: Any) -> int | None:
        raise OperationalError("the database is away")

    before = dict(consumers._open)
    monkeypatch.setattr(consumers.RunConsumer, "refuse", breaks)
    made = await sync_to_async(socket)(f"/ws/runs/{run.pk}/", user=bob)

    await made.connect()
    with pytest.raises(OperationalError):
        await made.receive_output(5)

    assert dict(consumers._open) == before


async def test_the_viewers_of_one_link_take_no_place_from_those_of_another(
    run: Run, alice: User, settings: Any
) -> None:
    settings.LIVE_SOCKETS = 1
    _, one = await sync_to_async(shares.share_run)(run=run, actor=alice)
    _, other = await sync_to_async(shares.share_run)(run=run, actor=alice)
    first = await opened(await sync_to_async(socket)(f"/ws/share/{one}/"))

    second = await opened(await sync_to_async(socket)(f"/ws/share/{other}/"))
    third = await opened(await sync_to_async(socket)(f"/ws/share/{one}/"))

    assert json.loads(await second.receive_from())["data"]["text"] == "one"
    assert await closed(third) == consumers.TOO_MANY
    for made in (first, second):
        await made.disconnect()


@pytest.mark.parametrize("end", ["revoked", "password"])
async def test_an_access_token_opens_a_socket_until_its_sign_in_ends(
    end: str, run: Run, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "RECHECK_S", 0.1)
    pair = await sync_to_async(tokens.issue_pair)(user=bob)
    made = await opened(socket(f"/ws/runs/{run.pk}/", key=pair.access, origin=None))
    assert json.loads(await made.receive_from())["data"]["text"] == "one"

    if end == "revoked":
        await sync_to_async(tokens.revoke_tokens)(user=bob)
    else:
        bob.set_password("a brand new secret")
        await bob.asave()

    assert await closed(made) == 4404


@pytest.mark.attack(18)
@pytest.mark.parametrize("name", ["token", "access_token", "key", "bearer"])
async def test_a_token_in_the_address_of_a_socket_or_stream_opens_nothing(
    name: str, run: Run, alice: User, team: Team
) -> None:
    _, key = await sync_to_async(keys.create_key)(team=team, actor=alice, name="k", scopes=["runs:read"])
    pair = await sync_to_async(tokens.issue_pair)(user=alice)

    for secret in (key, pair.access):
        made = await opened(socket(f"/ws/runs/{run.pk}/?{name}={secret}"))
        streamed = await AsyncClient().get(f"/api/v1/runs/{run.pk}/stream/?{name}={secret}")

        assert await made.receive_output(10) == {"type": "websocket.close", "code": 4401}
        assert streamed.status_code == 400  # the stream takes no such parameter
