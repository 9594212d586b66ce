"""Read-only links, and delivered files on pages and as downloads."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from accounts.services import members
from storage.services import save_file
from tasks import event_log, events
from tasks.models import Artifact, Run, RunShare, RunStatus
from tasks.services import shares
from tests.calling import api_of
from tests.factories import AgentFactory, HumanRequestFactory, RunFactory, UserFactory
from tests.html import Page

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture
def run(team, alice) -> Run:
    agent = AgentFactory(team=team, name="Ana")
    run = RunFactory(agent=agent, created_by=alice, title="What drives refunds?", prompt="Secret instructions")
    event_log.append(run, events.Message(step=1, role="agent", text="I look at the file."))
    return run


@pytest.fixture
def link(run, alice) -> str:
    _, token = shares.share_run(run=run, actor=alice)
    return reverse("shares:run", kwargs={"token": token})


def deliver(run: Run, path: str, content: bytes) -> Artifact:
    stored = save_file(team_id=run.team_id, content=content, name=path)
    return Artifact.objects.create(team=run.team, run=run, path=path, file=stored)


def address(name: str, run: Run, **more) -> str:
    return reverse(f"tasks:{name}", kwargs={"team": "acme", "run_id": run.pk, **more})


# ---- Links


def test_a_link_is_shown_once_and_opens_the_run_for_anyone(as_alice, run):
    made = as_alice.post(address("run_share", run), headers={"HX-Request": "true"}).text
    link = next(one["value"] for one in Page(made).all("input") if one.get("id") == "share-link")
    token = link.rstrip("/").rpartition("/")[2]

    assert token not in as_alice.get(address("run_share", run)).text
    page = Client().get(reverse("shares:run", kwargs={"token": token}))
    assert page.status_code == 200
    assert "I look at the file." in page.text
    assert Page(page.text).all("main")[0]["data-socket"] == f"/ws/share/{token}/"


def test_an_owner_sees_whose_links_are_open_and_closes_those_of_people_who_left(as_alice, team, alice, bob, run):
    made = {person: shares.share_run(run=run, actor=person)[0] for person in (alice, bob)}
    of_dora, _ = shares.share_run(run=run, actor=UserFactory())
    shares.revoke_share(share=shares.share_run(run=run, actor=alice)[0], actor=alice)
    with_bob = as_alice.get("/t/acme/settings/links/").text
    members.remove_member(team=team, actor=alice, user=bob)

    page = as_alice.get("/t/acme/settings/links/").text

    assert (with_bob.count("who left the team"), page.count("who left the team")) == (1, 2)
    assert "Close 2 of people who left" in page
    assert all(f"…{share.token_hint}" in page for share in (*made.values(), of_dora))
    answer = as_alice.post("/t/acme/settings/links/", follow=True)
    assert "2 links are closed." in answer.text
    assert list(RunShare.objects.filter(revoked_at=None)) == [made[alice]]
    as_alice.post(f"/t/acme/settings/links/{made[alice].pk}/close/")
    assert "No open links" in as_alice.get("/t/acme/settings/links/").text
    assert AuditEntry.objects.filter(action="run.unshared").count() == 4


def test_who_removes_a_member_reads_how_many_of_their_links_stay_open(as_alice, team, bob, run):
    address = f"/t/acme/settings/members/{bob.pk}/remove/"
    assert "No link by which they shared a run is open." in as_alice.get(address).text
    for _ in range(2):
        shares.share_run(run=run, actor=bob)
    shares.revoke_share(share=shares.share_run(run=run, actor=bob)[0], actor=bob)
    shares.share_run(run=RunFactory(), actor=bob)  # of another team
    as_bob = Client()
    as_bob.force_login(bob)

    assert "2 links by which they shared runs" in Page(as_alice.get(address).text).text
    assert "so do 2 open links by which you shared runs" in Page(as_bob.get("/t/acme/settings/team/leave/").text).text
    removed = as_alice.post(address, follow=True)

    assert "2 links to runs are still open: close them in Settings, Team, Links to runs." in removed.text
    assert shares.close_links_of_leavers(team=team, actor=bob) == 2


def test_the_api_lists_every_open_link_of_the_team(team, alice, bob, run):
    of_bob, of_dora = (shares.share_run(run=run, actor=person)[0] for person in (bob, UserFactory()))
    shares.revoke_share(share=shares.share_run(run=run, actor=alice)[0], actor=alice)
    shares.share_run(run=RunFactory(), actor=alice)  # of another team
    api = api_of(alice, team)

    listed = {one["id"]: one for one in api.get("/api/v1/shares/").json()["results"]}

    assert listed.keys() == {str(of_bob.pk), str(of_dora.pk)}
    assert [listed[str(one.pk)]["is_of_member"] for one in (of_bob, of_dora)] == [True, False]
    told = listed[str(of_bob.pk)]
    assert (told["run"], told["run_title"]) == (str(run.pk), run.title)
    assert (told["created_by"], told["token_hint"]) == ("Bob", of_bob.token_hint)
    assert api_of(bob, team).get("/api/v1/shares/").status_code == 403
    assert api.delete(f"/api/v1/runs/{run.pk}/shares/{of_bob.pk}/").status_code == 204
    assert [one["id"] for one in api.get("/api/v1/shares/").json()["results"]] == [str(of_dora.pk)]


def test_only_owners_and_admins_see_every_link(client, team, alice, bob, charlie, other_team, run):
    share, _ = shares.share_run(run=run, actor=alice)
    refused = {bob: 403, charlie: 404}

    for person, status in refused.items():
        client.force_login(person)
        answers = [client.get("/t/acme/settings/links/"), client.post("/t/acme/settings/links/")]
        answers.append(client.post(f"/t/acme/settings/links/{share.pk}/close/"))
        assert [answer.status_code for answer in answers] == [status] * 3
    assert client.post(f"/t/{other_team.slug}/settings/links/{share.pk}/close/").status_code == 404
    assert RunShare.objects.filter(revoked_at=None).exists()


def test_a_shared_page_shows_nothing_else_of_the_team(run, link):
    text = Client().get(link).text

    for secret in ("Acme", "Alice", "alice@example.com", "Secret instructions", "/t/acme", str(run.pk)):
        assert secret not in text.replace(f'data-run="{run.pk}"', "")
    assert "Ana" in text


def test_a_shared_page_is_not_indexed_kept_or_told_to_others(link):
    response = Client().get(link)

    assert response["X-Robots-Tag"] == "noindex, nofollow"
    assert response["Referrer-Policy"] == "no-referrer"
    assert "no-store" in response["Cache-Control"]
    assert "noindex" in next(m["content"] for m in Page(response.text).all("meta") if m.get("name") == "robots")


def test_a_revoked_link_leads_nowhere(as_alice, run, link):
    share = RunShare.objects.get()
    artifact = deliver(run, "report.md", b"# Hello")

    as_alice.post(address("share_revoke", run, share_id=share.pk))

    for path in ("", "state/", "history/", "frames/", "log/", "timeline/", f"artifacts/{artifact.pk}/download/"):
        assert Client().get(link + path).status_code == 404


def test_a_wrong_link_leads_nowhere(db):
    response = Client().get("/share/nonsense/")

    assert response.status_code == 404
    assert "This link leads nowhere" in response.text


def test_the_parts_of_a_shared_page_work_without_a_session(run, link):
    artifact = deliver(run, "report.md", b"# Hello")

    assert Client().get(link + "frames/?after=0").json()["last_seq"] == 1
    for path in ("state/", "history/", "log/", "timeline/", f"artifacts/{artifact.pk}/"):
        assert Client().get(link + path, headers={"HX-Request": "true"}).status_code == 200


def test_a_shared_page_cannot_answer(run, link):
    Run.objects.filter(pk=run.pk).update(status=RunStatus.WAITING, waiting_kind="question")
    HumanRequestFactory(run=run, title="Which column?")

    page = Page(Client().get(link).text)

    assert "Which column?" in page.text
    assert page.all("form") == []
    assert Client().post(link).status_code == 405


def test_a_file_of_another_run_is_not_behind_the_link(run, link, team):
    other = deliver(RunFactory(agent=run.agent), "other.md", b"# Other")

    for part in ("", "raw/", "download/"):
        assert Client().get(f"{link}artifacts/{other.pk}/{part}").status_code == 404


def test_a_colleague_may_revoke_but_an_outsider_may_not(client, run, link, charlie, bob):
    share = RunShare.objects.get()
    client.force_login(charlie)
    assert client.post(address("share_revoke", run, share_id=share.pk)).status_code == 404
    share.refresh_from_db()
    assert share.revoked_at is None

    client.force_login(bob)
    assert client.post(address("share_revoke", run, share_id=share.pk)).status_code == 302
    share.refresh_from_db()
    assert share.revoked_at is not None


# ---- Files


def test_a_picture_is_shown_locked_up(as_alice, run):
    artifact = deliver(run, "chart.svg", SVG)

    response = as_alice.get(address("artifact_raw", run, artifact_id=artifact.pk))

    assert response.content == SVG
    assert response["Content-Type"] == "image/svg+xml"
    assert response["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("name", "content"), [("page.html", b"<script>1</script>"), ("fake.png", b"<script>1</script>")]
)
def test_what_is_no_picture_is_only_downloaded(as_alice, run, name, content):
    artifact = deliver(run, name, content)

    response = as_alice.get(address("artifact_raw", run, artifact_id=artifact.pk))

    assert response["Content-Disposition"].startswith("attachment;")
    assert response["Content-Type"] != "text/html"
    assert response["Content-Security-Policy"] == "sandbox; default-src 'none'"


def test_a_download_from_a_reachable_store_is_a_signed_link_that_is_not_kept(as_alice, run, settings):
    settings.DOWNLOADS = "store"
    artifact = deliver(run, "report.md", b"# Hello")

    response = as_alice.get(address("artifact_download", run, artifact_id=artifact.pk))

    assert response.status_code == 302
    assert "X-Amz-Expires=300" in response.url
    assert response["Cache-Control"] == "no-store"


def test_a_report_shows_its_own_charts_and_no_others(as_alice, run):
    chart = deliver(run, "chart.svg", SVG)
    text = b"# Report\n\n![Ours](chart.svg) ![Theirs](https://evil.example/x.png) ![None](other.svg)"
    report = deliver(run, "report.md", text)

    part = as_alice.get(address("artifact_detail", run, artifact_id=report.pk), headers={"HX-Request": "true"}).text
    whole = as_alice.get(address("artifact_detail", run, artifact_id=report.pk)).text

    assert [image["src"] for image in Page(part).all("img")] == [f"artifacts/{chart.pk}/raw/"]
    assert [image["src"] for image in Page(whole).all("img")] == [f"../../artifacts/{chart.pk}/raw/"]
    assert "[image: Theirs]" in part


def test_an_answer_links_to_the_files_of_its_run(as_alice, run):
    report = deliver(run, "my report.md", b"# Hello")
    Run.objects.filter(pk=run.pk).update(output="See [the report](my%20report.md), [another](other.md)\nand more.")

    page = as_alice.get(address("run_detail", run))

    (link,) = [link for link in Page(page.text).all("a") if "nofollow" in link.get("rel", "")]
    assert link["href"] == f"artifacts/{report.pk}/"
    assert "another<br>" in page.text
    assert as_alice.get(address("run_detail", run) + link["href"]).status_code == 200


def test_the_answer_shows_delivered_charts(as_alice, run):
    chart = deliver(run, "chart.svg", SVG)
    done = {"status": RunStatus.SUCCEEDED, "finished_at": timezone.now(), "output": "![Refunds](./chart.svg)"}
    Run.objects.filter(pk=run.pk).update(**done)

    assert [i["src"] for i in Page(as_alice.get(address("run_detail", run)).text).all("img")] == [
        f"artifacts/{chart.pk}/raw/"
    ]


@pytest.mark.parametrize("name", ["artifact_detail", "artifact_raw", "artifact_download"])
def test_files_of_a_team_are_its_own(client, run, charlie, name):
    artifact = deliver(run, "report.md", b"# Hello")
    client.force_login(charlie)

    assert client.get(address(name, run, artifact_id=artifact.pk)).status_code == 404


@pytest.mark.attack(2)
def test_a_file_is_only_found_through_its_own_run(as_alice, run):
    artifact = deliver(run, "report.md", b"# Hello")
    other = RunFactory(agent=run.agent)

    assert as_alice.get(address("artifact_detail", other, artifact_id=artifact.pk)).status_code == 404


def test_a_shared_page_does_not_name_our_machines(run, link):
    event_log.append(
        run, events.RunStarted(worker="worker-7.internal:41", runtime="demo", badge="Demo model", model="demo-1")
    )

    assert "worker-7" in str(run.events.get(type="run.started").data)
    for path in ("", "log/", "frames/"):
        assert "worker-7" not in Client().get(link + path).text
