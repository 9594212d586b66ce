"""Bundle of a run: its contents, and detection of every change."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEntry, Team, User
from storage.services import save_file
from tasks import event_log, events
from tasks.models import Artifact, Run
from tasks.reports import verification
from tasks.reports.bundle import write_bundle
from tests.calling import api_of
from tests.factories import AgentFactory, RunFactory

pytestmark = pytest.mark.django_db
Members = dict[str, bytes]
MEMBERS = ["run.json", "events.ndjson", "receipt.json", "files/out/Bericht ä.md", "verify.py", "MANIFEST.json"]


@pytest.fixture
def run(team: Team) -> Run:
    """Run with three events and a file."""
    run: Run = RunFactory(agent=AgentFactory(team=team))
    said = [events.Message(step=n, role="agent", text=f"é {n} \u2028 0.1") for n in range(2)]
    event_log.append(run, *said, events.Progress(done=0.1, total=3.0, label="x"))
    file = save_file(team_id=team.pk, content=b"# Hello", name="Bericht ä.md")
    Artifact.objects.create(team=team, run=run, path="out/Bericht ä.md", file=file)
    return run


@pytest.fixture
def bundle(run: Run, tmp_path: Path) -> Path:
    path = tmp_path / "bundle.tar.gz"
    with path.open("wb") as target:
        write_bundle(run, target)
    return path


def unpacked(path: Path) -> Members:
    with tarfile.open(path) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


def packed(members: Members, path: Path) -> Path:
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as whole,
        tarfile.open(fileobj=whole, mode="w") as archive,
    ):
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def offline(*arguments: str | Path, folder: Path, script: Path | None = None) -> tuple[int, str]:
    """Run `python3 verify.py` in a process without anything of Deskhand. Return its exit code and output."""
    command = [sys.executable, "-I", "-S", str(script or folder / "verify.py"), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_the_bundle_is_verified_offline_by_one_command(run: Run, bundle: Path, tmp_path: Path) -> None:
    members = unpacked(bundle)
    assert list(members) == MEMBERS
    folder = tmp_path / "unpacked"
    with tarfile.open(bundle) as archive:
        archive.extractall(folder, filter="data")
    (folder / "notes of mine.txt").write_text("beside it")

    seal = json.loads(members["MANIFEST.json"])["seal"]
    said = (
        f"5 files and 3 events of run {run.pk} are as Deskhand wrote them.\n"
        f"Seal {seal}: the audit log of the team has the same one at run.exported.\n"
    )
    assert offline(folder=folder) == (0, said)
    assert offline(bundle, folder=folder) == (0, said)


def test_the_manifest_names_the_hash_of_each_member(bundle: Path) -> None:
    members = unpacked(bundle)
    manifest = json.loads(members.pop("MANIFEST.json"))

    hashes = {n: {"size": len(c), "sha256": hashlib.sha256(c).hexdigest()} for n, c in members.items()}
    assert manifest["members"] == hashes
    last = json.loads(members["events.ndjson"].splitlines()[-1])
    assert manifest["events"] == {"count": 3, "head": last["hash"]}
    assert [json.loads(line)["seq"] for line in members["events.ndjson"].split(b"\n")[:-1]] == [1, 2, 3]


def test_the_same_run_has_the_same_seal_until_something_happens(run: Run) -> None:
    first, second = io.BytesIO(), io.BytesIO()
    seals = [write_bundle(run, first), write_bundle(run, second)]
    event_log.append(run, events.Log(text="more"))

    assert seals[0] == seals[1]
    assert first.getvalue() == second.getvalue()
    assert write_bundle(run, io.BytesIO()) != seals[0]


@pytest.mark.parametrize("name", MEMBERS)
def test_a_change_of_any_byte_of_any_member_is_found(bundle: Path, tmp_path: Path, name: str) -> None:
    members = unpacked(bundle)
    content = members[name]
    chance = random.Random(name)  # noqa: S311 - the same every time is the point
    few = len(content) <= 1500 or name == "MANIFEST.json"
    for place in range(len(content)) if few else sorted(chance.sample(range(len(content)), 200)):
        spoilt = bytearray(content)
        spoilt[place] ^= 1 << chance.randrange(8)
        problems, _ = verification.verify(packed(members | {name: bytes(spoilt)}, tmp_path / "spoilt.tar.gz"))
        assert problems == [f"{name} was altered."] or problems[0].startswith(f"{name} was altered. The first"), place


def test_a_change_of_any_byte_of_the_archive_is_found(bundle: Path, tmp_path: Path) -> None:
    """Flip bits of the archive: each is detected, or changes no content. Padding bits of a compressed block do not."""
    whole, before = bundle.read_bytes(), unpacked(bundle)
    chance = random.Random("archive")  # noqa: S311
    unnoticed = 0
    for place in [*range(30), *chance.sample(range(len(whole)), 300), *range(len(whole) - 12, len(whole))]:
        spoilt = bytearray(whole)
        spoilt[place] ^= 1 << chance.randrange(8)
        path = tmp_path / "spoilt.tar.gz"
        path.write_bytes(bytes(spoilt))
        if not verification.verify(path)[0]:
            unnoticed += 1
            assert unpacked(path) == before

    assert unnoticed <= 2


def _added(members: Members) -> Members:
    return members | {"files/evil.md": b"x"}


def _removed(members: Members) -> Members:
    return {name: content for name, content in members.items() if name != "receipt.json"}


def _without_manifest(members: Members) -> Members:
    return {name: content for name, content in members.items() if name != "MANIFEST.json"}


def _event_left_out(members: Members) -> Members:
    lines = members["events.ndjson"].split(b"\n")
    return members | {"events.ndjson": b"\n".join([lines[0], *lines[2:]])}


def _resealed_without_an_event(members: Members) -> Members:
    """Leave out an event and rewrite the manifest, but not the hash chain."""
    spoilt = _event_left_out(members)
    manifest = json.loads(members["MANIFEST.json"])
    content = spoilt["events.ndjson"]
    manifest["members"]["events.ndjson"] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest["events"]["count"] -= 1
    manifest["seal"] = verification.seal_of(manifest)
    return spoilt | {"MANIFEST.json": verification.written(manifest)}


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (_added, "files/evil.md was added."),
        (_removed, "receipt.json is missing."),
        (_without_manifest, "MANIFEST.json is missing."),
        (_event_left_out, "events.ndjson was altered. The first event that differs is in line 2."),
        (
            _resealed_without_an_event,
            "events.ndjson does not fit its manifest. The first event that differs is in line 2.",
        ),
    ],
)
def test_what_was_added_removed_or_left_out_is_named(
    bundle: Path, tmp_path: Path, spoil: Callable[[Members], Members], problem: str
) -> None:
    path = packed(spoil(unpacked(bundle)), tmp_path / "spoilt.tar.gz")
    script = Path(verification.__file__)

    assert verification.verify(path)[0] == [problem]
    code, said = offline(path, folder=tmp_path, script=script)
    assert (code, said) == (1, f"{problem}\nThis bundle is NOT as Deskhand wrote it.\n")


def test_what_is_no_bundle_is_refused_in_a_sentence(tmp_path: Path, bundle: Path) -> None:
    cut, other = tmp_path / "cut.tar.gz", tmp_path / "other.tar.gz"
    cut.write_bytes(bundle.read_bytes()[:-30])
    other.write_bytes(b"PK\x03\x04 no archive of ours")

    for path in (cut, other, tmp_path / "missing.tar.gz"):
        problems, manifest = verification.verify(path)
        assert manifest is None
        assert len(problems) == 1
        assert problems[0].startswith(("The bundle cannot be read: ", "MANIFEST.json is missing."))


def test_a_download_leaves_its_seal_in_the_audit_log_by_which_the_command_knows_it(
    team: Team, alice: User, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, anew = tmp_path / "download.tar.gz", tmp_path / "anew.tar.gz"
    answer = api_of(alice, team).get(f"/api/v1/runs/{run.pk}/bundle/")
    path.write_bytes(b"".join(answer.streaming_content))
    members = unpacked(path)
    manifest: dict[str, Any] = json.loads(members["MANIFEST.json"])
    entry = AuditEntry.objects.get(action="run.exported")
    assert (entry.subject_id, entry.data, entry.actor) == (str(run.pk), {"seal": manifest["seal"]}, alice)

    call_command("verify_bundle", str(path))

    assert f"Run {run.pk}: 3 events and 5 files are as they were written, exported by alice@" in capsys.readouterr().out
    members["files/out/Bericht ä.md"] = b"# Hullo"
    manifest["members"]["files/out/Bericht ä.md"]["sha256"] = hashlib.sha256(b"# Hullo").hexdigest()
    manifest["seal"] = verification.seal_of(manifest)
    packed(members | {"MANIFEST.json": verification.written(manifest)}, anew)
    assert verification.verify(anew)[0] == []  # offline, the new seal cannot be recognised as wrong
    with pytest.raises(CommandError, match="knows no bundle with the seal"):
        call_command("verify_bundle", str(anew))
    anew.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CommandError, match="The bundle is not as it was written"):
        call_command("verify_bundle", str(anew))
