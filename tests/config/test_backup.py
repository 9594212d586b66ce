"""Backups: content, detected damage, refusals. tests/faults/test_backup.py has a whole round trip."""

from __future__ import annotations

import json
import resource
import shutil
import stat
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as live_settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from accounts.models import Team, User
from config.backup import keys, live, making, manifest
from config.backup.errors import BackupError
from storage.models import StoredFile, Upload
from storage.services import forget_object, save_file
from tasks.models import Run, Step
from tests.factories import AgentFactory, RunFactory

pytestmark = pytest.mark.django_db(transaction=True)


def make(folder: Path, *, with_keys: bool = True) -> manifest.Manifest:
    return making.make(folder, with_keys=with_keys, say=lambda line: None)


@pytest.fixture
def files(team: Team, alice: User) -> list[StoredFile]:
    return [
        save_file(team_id=team.pk, content=f"report {n}".encode(), name=f"report-{n}.md", created_by=alice)
        for n in range(3)
    ]


def test_a_backup_holds_database_objects_and_keys_for_its_owner_alone(
    tmp_path: Path, files: list[StoredFile], settings: Any
) -> None:
    settings.VAR_DIR = tmp_path / "var"
    (tmp_path / "var" / "templates" / "public").mkdir(parents=True)
    (tmp_path / "var" / "templates" / "public" / "terms.html").write_text("Our terms")
    (tmp_path / "var" / "mail").mkdir()
    (tmp_path / "var" / "mail" / "one.log").write_text("not kept")

    made = make(tmp_path / "backup")

    backup = tmp_path / "backup"
    found = {path.relative_to(backup).as_posix() for path in backup.rglob("*") if path.is_file()}
    assert found == {
        *("manifest.json", "SHA256SUMS", "database.dump", "keys.json", "files/templates/public/terms.html"),
        *(f"objects/{file.key}" for file in files),
    }
    assert (made.objects, made.object_bytes, made.missing) == (3, 3 * len(b"report 0"), [])
    assert [(backup / "objects" / file.key).read_bytes() for file in files] == [b"report 0", b"report 1", b"report 2"]
    assert json.loads((backup / "keys.json").read_text()) == {
        "secret_key": live_settings.SECRET_KEY,
        "encryption_keys": [],
    }
    assert stat.S_IMODE(backup.stat().st_mode) == 0o700
    assert {stat.S_IMODE((backup / name).stat().st_mode) for name in found} == {0o600}
    assert manifest.verified(backup) == manifest.read(backup)
    assert made.migrations["tasks"][0] == "0001_initial"
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=backup, check=True)


def test_without_keys_no_file_of_it_holds_the_signing_key(tmp_path: Path, files: list[StoredFile]) -> None:
    make(tmp_path / "backup", with_keys=False)

    assert not (tmp_path / "backup" / "keys.json").exists()
    secret = live_settings.SECRET_KEY.encode()
    assert [path for path in (tmp_path / "backup").rglob("*") if path.is_file() and secret in path.read_bytes()] == []


def test_objects_that_are_gone_or_damaged_are_named_and_the_others_kept(
    tmp_path: Path, files: list[StoredFile], team: Team, alice: User
) -> None:
    gone, damaged, sound = files
    forget_object(gone.key)
    forget_object(damaged.key)
    default_storage.save(damaged.key, ContentFile(b"report X"))
    Upload.objects.create(  # announced, not sent: nothing is missing
        team=team, key=f"uploads/{team.pk}/x", name="x", size=1, sha256="", created_by=alice,
        expires_at=timezone.now() + timedelta(hours=1),
    )  # fmt: skip

    made = make(tmp_path / "backup")

    assert sorted(made.missing, key=lambda one: one["name"]) == [
        {"key": gone.key, "name": "report-0.md", "why": "is not in the object store"},
        {"key": damaged.key, "name": "report-1.md", "why": "is damaged in the object store"},
    ]
    objects = tmp_path / "backup" / "objects"
    assert [path for path in objects.rglob("*") if path.is_file()] == [objects / sound.key]


def test_what_is_made_or_deleted_while_objects_are_copied_is_as_the_snapshot_has_it(
    tmp_path: Path, files: list[StoredFile], team: Team, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first copies are made before the snapshot."""
    copy, late = making.objects.Copied.copy, []

    def copy_and_go_on(self: Any, rows: Any) -> None:
        copy(self, rows)
        if not late:
            files[0].delete()
            forget_object(files[0].key)
            late.append(save_file(team_id=team.pk, content=b"late", name="late.md", created_by=alice))

    monkeypatch.setattr(making.objects.Copied, "copy", copy_and_go_on)
    made = make(tmp_path / "backup")

    objects = tmp_path / "backup" / "objects"
    kept = {path.relative_to(objects).as_posix() for path in objects.rglob("*") if path.is_file()}
    assert kept == {files[1].key, files[2].key, late[0].key}
    assert (made.objects, made.missing) == (3, [])
    assert manifest.verified(tmp_path / "backup").objects == 3


def test_a_backup_without_room_leaves_nothing(tmp_path: Path, files: list[StoredFile]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(BackupError, match="pg_dump could not write the database"):
            make(tmp_path / "backup")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_away_ends_the_backup_in_words(
    tmp_path: Path, files: list[StoredFile], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = settings.STORAGES["default"]["OPTIONS"] | {"endpoint_url": "http://127.0.0.1:1"}
    settings.STORAGES = settings.STORAGES | {"default": settings.STORAGES["default"] | {"OPTIONS": options}}

    with pytest.raises(BackupError, match="The object store failed at"):
        make(tmp_path / "backup")

    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_backup_left_is_no_backup_and_makes_room_for_the_next(tmp_path: Path) -> None:
    left = tmp_path / ".backup.unfinished"
    left.mkdir()
    (left / "database.dump").write_bytes(b"half")

    with pytest.raises(BackupError, match=r"no whole backup: it has no manifest\.json"):
        manifest.read(left)
    make(tmp_path / "backup")

    assert [path.name for path in tmp_path.iterdir()] == ["backup"]


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def _change(backup: Path, **changes: Any) -> None:
    path = backup / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda backup: _flip(backup / "database.dump"), "database.dump is not as it was written"),
        (lambda backup: _flip(backup / "SHA256SUMS"), "SHA256SUMS is not the one that was written"),
        (lambda backup: shutil.rmtree(backup / "objects"), "cannot be read .*the backup .* is damaged"),
        (lambda backup: (backup / "SHA256SUMS").unlink(), "SHA256SUMS cannot be read"),
        (lambda backup: (backup / "manifest.json").unlink(), "it has no manifest.json"),
        (lambda backup: (backup / "manifest.json").write_text("{"), "manifest.json cannot be read"),
        (lambda backup: _change(backup, format=2), "has format 2 and this Deskhand reads format 1"),
        (lambda backup: shutil.rmtree(backup), "There is no folder"),
    ],
)
def test_a_damaged_or_newer_backup_is_refused(
    tmp_path: Path, files: list[StoredFile], damage: Callable[[Path], None], message: str
) -> None:
    make(tmp_path / "backup")
    damage(tmp_path / "backup")

    with pytest.raises(BackupError, match=message):
        manifest.verified(tmp_path / "backup")


@pytest.mark.parametrize(
    ("secret", "ring", "message"),
    [
        ("one", ["a", "b"], None),
        ("one", ["new", "b", "a"], None),
        ("two", ["a", "b"], "made with another SECRET_KEY"),
        ("one", ["a"], "DESKHAND_ENCRYPTION_KEYS that are not set now"),
    ],
)
def test_keys_that_cannot_read_the_data_are_refused(secret: str, ring: list[str], message: str | None) -> None:
    expected = keys.prints("one", ["a", "b"])

    if message is None:
        keys.demand_fit(expected, secret, ring)
        return
    with pytest.raises(BackupError, match=message):
        keys.demand_fit(expected, secret, ring)


def test_runs_under_way_are_listed_by_what_they_may_do_again(tmp_path: Path, team: Team) -> None:
    mails = AgentFactory(team=team, name="Mailer", version__tools=[{"tool": "email_report", "policy": "allow"}])
    reads = AgentFactory(team=team, name="Reader", version__tools=[{"tool": "read_file", "policy": "allow"}])
    may_not = AgentFactory(team=team, name="Denied", version__tools=[{"tool": "email_report", "policy": "deny"}])
    calling = run_of(mails, "running", "Sends")
    Step.objects.create(run=calling, index=1, kind="tool", status="done", tool="email_report")
    Step.objects.create(run=calling, index=2, kind="tool", status="intent", tool="email_report")
    reading = run_of(reads, "running", "Reads")
    Step.objects.create(run=reading, index=1, kind="tool", status="intent", tool="read_file")
    queued, denied = run_of(mails, "queued", "Later"), run_of(may_not, "queued", "Never")
    ended = run_of(mails, "succeeded", "Over")

    found = make(tmp_path / "backup").live

    assert found["counts"] == {"running": 2, "queued": 2}
    assert [(run["id"], run["tools"]) for run in found["calling"]] == [(str(calling.pk), ["email_report"])]
    assert [run["id"] for run in found["acting"]] == [str(calling.pk), str(queued.pk)]
    message = "\n".join(live.report_lines(found, "noon"))
    assert "which go on when Deskhand starts: 2 queued, 2 running." in message
    assert [run.title for run in (calling, queued, reading, denied, ended) if str(run.pk) in message] == [
        "Sends",
        "Later",
    ]
    assert list(live.report_lines({"counts": {}}, "noon")) == ["No run was under way."]


def run_of(agent: Any, status: str, title: str) -> Run:
    more = {"succeeded": {"finished_at": timezone.now()}, "running": {"lease_expires_at": timezone.now()}}
    return RunFactory(team=agent.team, agent=agent, status=status, title=title, **more.get(status, {}))
