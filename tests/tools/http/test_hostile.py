"""Rows of the hostile list: each is refused without a connection, or accepted."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import count

import pytest

from tests.tools.http.conftest import NoTls, Site, connections, egress_to, plain
from tests.tools.http.hostile import Row, rows
from tools import http
from tools.http import addresses
from tools.http.targets import Egress

ROWS = rows()
BLOCKED = "ssrf_blocked: only public web addresses can be reached: http or https, a public host, the usual ports."


@pytest.fixture(autouse=True)
def hurry(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refusals without their minimum time, except in the test that measures it."""
    if request.function is not test_refusals_take_the_same_time:
        monkeypatch.setattr("tools.http.targets._REFUSED_AFTER_S", 0.0)


def resolver(row: Row) -> tuple[list[str], object]:
    """Return the recorded names and a resolver that answers as the row says."""
    asked: list[str] = []
    numbers = count()

    def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        if not row.lookups:
            raise socket.gaierror("no such name")
        found = row.lookups[min(next(numbers), len(row.lookups) - 1)]
        return [next(iter(map(str, addresses.own_addresses())))] if found == ["SELF"] else found

    return asked, resolve


def url_of(row: Row) -> str:
    return row.url.partition(" -> ")[0] if row.kind == "redirect" else row.url


def test_the_list_is_whole() -> None:
    assert len(ROWS) == 225
    assert [sum(row.label == label for row in ROWS) for label in ("block", "allow")] == [198, 27]


MISSING = [row for row in ROWS if row.kind == "dns" and not row.lookups]
BLOCK = [
    row for row in ROWS if row.label == "block" and row.kind != "redirect" and "|" not in row.dns and row not in MISSING
]


@pytest.mark.parametrize("row", BLOCK, ids=lambda row: row.id)
@pytest.mark.parametrize("loopback", [False, True], ids=["", "with a stand-in allowed"])
def test_a_hostile_address_is_refused_without_a_connection(row: Row, site: Site, loopback: bool) -> None:
    _, resolve = resolver(row)
    allow = frozenset({("127.0.0.1", site.port)}) if loopback else frozenset()
    egress = Egress(resolve=resolve, allow=allow)  # type: ignore[arg-type]

    with connections() as seen:
        with pytest.raises(http.Blocked) as at_save:
            egress.admit(row.url)
        with pytest.raises(http.Blocked) as at_send:
            http.request("GET", row.url, egress=egress)

    assert str(at_save.value) == str(at_send.value) == BLOCKED
    assert at_send.value.code == "ssrf_blocked"
    assert seen == []
    assert site.requests == []


@pytest.mark.parametrize("row", MISSING, ids=lambda row: row.id)
def test_a_name_that_leads_nowhere_is_said_to_do_so_and_looked_up_once(row: Row) -> None:
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with connections() as seen, pytest.raises(http.NoSuchHost, match=r"^There is no host named nxdomain\.test\."):
        http.request("GET", row.url, egress=Egress(resolve=resolve))

    assert (asked, seen) == (["nxdomain.test"], [])


@pytest.mark.parametrize(
    "error", [socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), OSError("no resolver")]
)
def test_a_resolver_that_is_away_does_not_mean_that_the_name_is_missing(error: OSError) -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise error

    with pytest.raises(http.NoSuchHost, match="could not be looked up right now"):
        Egress(resolve=resolve).admit("http://public.test/")


@pytest.mark.parametrize("name", ["db.internal", "printer.local", "wiki.corp", "nas.home.arpa"])
def test_whether_a_name_of_an_inner_network_exists_is_not_told(name: str) -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    for egress in (Egress(resolve=resolve), Egress(resolve=lambda host, port: ["10.0.0.1"])):
        with pytest.raises(http.Blocked, match=f"^{re.escape(BLOCKED)}$"):
            egress.admit(f"http://{name}/")


@pytest.mark.parametrize("row", [row for row in ROWS if "|" in row.dns], ids=lambda row: row.id)
def test_a_name_that_changes_its_address_never_leads_to_the_later_one(row: Row, site: Site) -> None:
    asked, resolve = resolver(row)
    dialled: list[str] = []

    def dial(address: str, port: int, timeout_s: float) -> socket.socket:
        dialled.append(address)
        return socket.create_connection(("127.0.0.1", site.port), timeout=timeout_s)

    with suppress(http.Blocked):
        http.request("GET", row.url, egress=Egress(resolve=resolve, dial=dial))  # type: ignore[arg-type]

    first, later = row.lookups
    assert set(dialled) <= set(first)
    assert not set(dialled) & set(later)
    assert len(asked) == 1


ALLOW = [row for row in ROWS if row.label == "allow" and " -> " not in row.url]


@pytest.mark.parametrize("row", ALLOW, ids=lambda row: row.id)
def test_a_public_address_is_reached_at_the_checked_address(row: Row, site: Site) -> None:
    asked, resolve = resolver(row)
    dialled: list[tuple[str, int]] = []

    def dial(address: str, port: int, timeout_s: float) -> socket.socket:
        dialled.append((address, port))
        return socket.create_connection(("127.0.0.1", site.port), timeout=timeout_s)

    egress = Egress(resolve=resolve, dial=dial)  # type: ignore[arg-type]
    target, found = egress.admit(row.url)

    assert found == (row.lookups[0] if row.lookups else [target.host])
    if target.scheme == "http":
        assert http.request("GET", row.url, egress=egress).status == 200
        assert dialled == [(found[0], target.port)]
        assert f"Host: {target.host}\r\n".encode() in site.requests[0]
    if row.dns:
        assert set(asked) == {target.host}


# ---- Redirects

REDIRECTS = [row for row in ROWS if row.kind == "redirect"]


@pytest.mark.parametrize("row", REDIRECTS, ids=lambda row: row.id)
def test_a_redirect_never_leads_elsewhere(row: Row, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    url, answer = row.url.split(" -> ")
    status, _, rest = answer.partition(" ")
    headers = (
        {"Refresh": rest.removeprefix("Refresh: ")}
        if "Refresh" in rest
        else {"Location": rest.replace("(empty Location)", "")}
    )
    site.answer = plain(b"first", status=f"{status} X", **headers)
    _, resolve = resolver(row)
    dialled: list[tuple[str, int]] = []

    def dial(address: str, port: int, timeout_s: float) -> socket.socket:
        dialled.append((address, port))
        return socket.create_connection(("127.0.0.1", site.port), timeout=timeout_s)

    monkeypatch.setattr("tools.http.client.tls", lambda: NoTls())
    egress = Egress(resolve=resolve, dial=dial)  # type: ignore[arg-type]

    def send() -> http.Response:
        return http.request("GET", url, headers={"Authorization": "Bearer s3cret"}, egress=egress)

    with connections() as seen:
        if "Refresh" in rest:
            assert send().body == b"first"
        else:
            with pytest.raises(http.Blocked):
                send()

    assert len(site.requests) == 1
    assert dialled == [("93.184.216.34", 443 if url.startswith("https") else 80)]
    assert seen == [("127.0.0.1", site.port)]


def test_a_redirect_to_the_same_host_is_checked_anew_and_followed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    [row] = [row for row in ROWS if row.label == "allow" and " -> " in row.url]
    first, second = plain(b"", status="302 Found", Location="https://public.test/ok"), plain(b"here")
    site.answer = lambda peer, request: (second if b"GET /ok " in request else first)(peer, request)
    asked, resolve = resolver(row)
    dialled: list[int] = []

    def dial(address: str, port: int, timeout_s: float) -> socket.socket:
        dialled.append(port)
        return socket.create_connection(("127.0.0.1", site.port), timeout=timeout_s)

    monkeypatch.setattr("tools.http.client.tls", lambda: NoTls())
    response = http.request("GET", "http://public.test/r", egress=Egress(resolve=resolve, dial=dial))  # type: ignore[arg-type]

    assert (response.status, response.body, response.url) == (200, b"here", "https://public.test/ok")
    assert dialled == [80, 443]
    assert asked == ["public.test"] * 2


def test_a_redirect_to_another_host_is_told_but_not_followed(site: Site) -> None:
    site.answer = plain(b"", status="301 Moved", Location="https://www.public.test/new")
    egress = egress_to(site)

    with pytest.raises(http.OtherHost) as other:
        http.request("GET", "http://public.test/", headers={"Authorization": "Bearer s3cret"}, egress=egress)

    assert other.value.location == "https://www.public.test/new"
    assert len(site.requests) == 1


def test_redirects_end(site: Site) -> None:
    site.answer = plain(b"", status="302 Found", Location="/again")

    with pytest.raises(http.Blocked):
        http.request("GET", "http://public.test/", egress=egress_to(site))

    assert len(site.requests) == 4


def test_a_post_is_never_sent_twice(site: Site) -> None:
    site.answer = plain(b"", status="307 Again", Location="/again")

    with pytest.raises(http.Blocked):
        http.request("POST", "http://public.test/", body=b"x", egress=egress_to(site))

    assert len(site.requests) == 1


def test_a_redirect_can_be_the_answer(site: Site) -> None:
    site.answer = plain(b"", status="302 Found", Location="http://10.0.0.1/")

    assert http.request("POST", "http://public.test/", max_redirects=0, egress=egress_to(site)).status == 302


# ---- Open or closed, internal or not: refusals look alike


@pytest.mark.alone
def test_refusals_take_the_same_time(site: Site) -> None:
    closed = Site()
    closed.close()

    def slow(host: str, port: int) -> list[str]:
        time.sleep(0.04)
        return ["10.0.0.1"]

    def seconds(url: str) -> float:
        started = time.monotonic()
        with pytest.raises(http.Blocked, match=f"^{re.escape(BLOCKED)}$"):
            http.request("GET", url, egress=Egress(resolve=slow))
        return time.monotonic() - started

    urls = [f"http://127.0.0.1:{site.port}/", f"http://127.0.0.1:{closed.port}/", "http://inside.test/", "nonsense"]
    took = [seconds(url) for url in urls]
    for _ in range(50):  # load on the machine can only lengthen a measurement
        took = [min(before, seconds(url)) for before, url in zip(took, urls, strict=True)]
        if max(took) - min(took) < 0.03:
            break

    assert max(took) - min(took) < 0.03
    assert min(took) >= 0.1


def test_a_lookup_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.http.targets._LOOKUP_S", 0.2)

    def hang(host: str, port: int) -> list[str]:
        time.sleep(1)
        return ["93.184.216.34"]

    with pytest.raises(http.Blocked):
        Egress(resolve=hang).admit("http://slow.test/")


# ---- Lists


def test_own_public_addresses_are_inside(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    own = addresses.ip_address("93.184.216.34")
    monkeypatch.setattr(addresses, "own_addresses", lambda: frozenset({own}))

    with pytest.raises(http.Blocked):
        http.request("GET", "http://public.test/", egress=egress_to(site))

    assert site.requests == []


def test_the_kernel_tells_our_addresses() -> None:
    assert addresses.ip_address("127.0.0.1") in addresses.own_addresses()


def test_an_operator_can_forbid_networks(site: Site) -> None:
    import ipaddress

    with pytest.raises(http.Blocked):
        Egress(resolve=lambda *_: ["93.184.216.34"], deny=[ipaddress.ip_network("93.184.0.0/16")]).admit(
            "http://a.test/"
        )


@pytest.mark.parametrize(
    ("host", "allowed", "is_reached"),
    [
        ("api.example.com", ["api.example.com"], True),
        ("API.example.com.", ["api.Example.com"], True),
        ("api.example.com", ["*.example.com"], True),
        ("example.com", ["*.example.com"], False),
        ("evilexample.com", ["*.example.com", "example.com"], False),
        ("example.com.evil.test", ["example.com"], False),
        ("evil.test", ["example.com"], False),
        ("anything.test", [], True),
    ],
)
def test_an_agent_reaches_only_the_hosts_in_its_list(
    site: Site, host: str, allowed: list[str], is_reached: bool
) -> None:
    looked_up: list[str] = []

    def resolve(name: str, port: int) -> list[str]:
        looked_up.append(name)
        return ["93.184.216.34"]

    egress = Egress(resolve=resolve, dial=egress_to(site).dial)
    if is_reached:
        assert http.request("GET", f"http://{host}/", allowed_hosts=allowed, egress=egress).status == 200
        return
    with pytest.raises(http.HostNotAllowed, match="This agent may reach only"):
        http.request("GET", f"http://{host}/?key=s3cret", allowed_hosts=allowed, egress=egress)
    assert looked_up == []
    assert site.requests == []


@pytest.mark.parametrize(
    "text",
    [
        "::ffff:8.8.8.8",
        "2606:4700::5efe:7f00:1",
        "2606:4700::200:5efe:7f00:1",
        "64:ff9b::808:808",
        "2002:808:808::1",
        "2001::1",
        "fe80::1",
        "::1",
        "ff02::1",
    ],
)
def test_no_ipv6_address_hides_an_ipv4_one(text: str) -> None:
    assert addresses.is_public(addresses.ip_address(text)) is False


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001:82a::200e"])
def test_public_addresses_are_public(text: str) -> None:
    assert addresses.is_public(addresses.ip_address(text)) is True
