"""Verify a bundle of a Deskhand run, without Deskhand and without a network.

    python3 verify.py run-0198….tar.gz     the archive
    python3 verify.py                      the folder that it was unpacked into, where this file lies

Says what was altered, added or removed, and exits with 1; or says that all is as it was written, and its seal. Somebody
who writes a whole bundle anew can give it another seal: compare it with the one in the team's audit log
(`run.exported`), and use a copy of this program that you trust. It needs Python 3.9 and nothing else, and runs nothing
that is in the bundle.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
import tarfile
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = "deskhand.run-bundle/1"
MANIFEST = "MANIFEST.json"
EVENTS = "events.ndjson"
GENESIS = "0" * 64
PIECE = 1024 * 1024
HEADER = bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 2, 0xFF])
"""First bytes of our archives: without a name and a time."""


class Altered(Exception):
    """Bundle that cannot be read at all."""


def canonical(value: Any) -> bytes:
    """Return JSON with sorted keys and no spaces, in UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def seal_of(manifest: dict[str, Any]) -> str:
    """Return the SHA-256 of the manifest without its seal."""
    return hashlib.sha256(canonical({name: value for name, value in manifest.items() if name != "seal"})).hexdigest()


def next_hash(before: str, event: dict[str, Any]) -> str:
    """Return the SHA-256 of the previous hash, a line feed, and the event without its hash."""
    said = canonical({name: value for name, value in event.items() if name != "hash"})
    return hashlib.sha256(before.encode() + b"\n" + said).hexdigest()


def verify(bundle: Path) -> tuple[list[str], dict[str, Any] | None]:
    """Return what is wrong with an archive or a folder. The second value is its manifest, if that can be read."""
    try:
        found = _Members(dict(_of_archive(bundle)) if bundle.is_file() else dict(_of_folder(bundle)))
    except (Altered, OSError, EOFError, tarfile.TarError, zlib.error) as error:
        return [f"The bundle cannot be read: {error}"], None
    manifest = found.manifest()
    if manifest is None:
        return found.problems, None
    try:
        return found.compare(manifest), manifest
    except (KeyError, TypeError, AttributeError):
        return [f"{MANIFEST} was altered."], None


Member = tuple[int, str, bytes]
"""Size, SHA-256, and the content if it is JSON that is read."""


class _Members:
    """Members that are present."""

    def __init__(self, members: dict[str, Member]) -> None:
        self.members = members
        self.problems: list[str] = []

    def manifest(self) -> dict[str, Any] | None:
        if MANIFEST not in self.members:
            self.problems.append(f"{MANIFEST} is missing.")
            return None
        try:
            said = json.loads(self.members[MANIFEST][2])
            if said["format"] != FORMAT or said["seal"] != seal_of(said):
                raise ValueError
            if self.members[MANIFEST][2] != written(said):
                raise ValueError
            return dict(said)
        except (ValueError, KeyError, TypeError):
            self.problems.append(f"{MANIFEST} was altered.")
            return None

    def compare(self, manifest: dict[str, Any]) -> list[str]:
        for name, kept in manifest["members"].items():
            if name not in self.members:
                self.problems.append(f"{name} is missing.")
            elif self.members[name][:2] != (kept["size"], kept["sha256"]):
                self.problems.append(f"{name} was altered.{self._where(name)}")
        added = sorted(set(self.members) - set(manifest["members"]) - {MANIFEST})
        self.problems += [f"{name} was added." for name in added]
        if not self.problems and self._chain() != (manifest["events"]["count"], manifest["events"]["head"], None):
            self.problems.append(f"{EVENTS} does not fit its manifest.{self._where(EVENTS)}")
        return self.problems

    def _where(self, name: str) -> str:
        line = self._chain()[2] if name == EVENTS else None
        return f" The first event that differs is in line {line}." if line else ""

    def _chain(self) -> tuple[int, str, int | None]:
        """Return the number of chained events and the last hash.

        The third value is the line of the first event that does not follow.
        """
        last, count = GENESIS, 0
        for number, line in enumerate(self.members[EVENTS][2].split(b"\n")[:-1], start=1):
            try:
                event = json.loads(line)
                expected = next_hash(last, event)
                if event["hash"] != expected or event["seq"] != number:
                    return count, last, number
            except (ValueError, KeyError, TypeError):
                return count, last, number
            last, count = expected, number
        return count, last, None


def written(manifest: dict[str, Any]) -> bytes:
    """Return the bytes of the manifest as they stand in the bundle."""
    return json.dumps(manifest, indent=1, ensure_ascii=False).encode() + b"\n"


def _read(name: str, content: IO[bytes] | None) -> Member:
    """Read the file in small pieces, because it may exceed the memory. Content is kept only for JSON members."""
    digest, size, kept = hashlib.sha256(), 0, []
    while content is not None:
        piece = content.read(PIECE)
        if not piece:
            break
        digest.update(piece)
        size += len(piece)
        if name in (MANIFEST, EVENTS):
            kept.append(piece)
    return size, digest.hexdigest(), b"".join(kept)


def _of_archive(path: Path) -> Iterator[tuple[str, Member]]:
    with path.open("rb") as raw:
        if raw.read(len(HEADER)) != HEADER:
            raise Altered("it does not begin as our archives do.")
        raw.seek(0)
        with gzip.GzipFile(fileobj=raw) as whole, tarfile.open(fileobj=whole, mode="r|") as archive:
            seen = set()
            for member in archive:
                if member.name in seen or not member.isfile():
                    raise Altered(f"{member.name} is there twice, or is no file.")
                seen.add(member.name)
                yield member.name, _read(member.name, archive.extractfile(member))
            while whole.read(PIECE):  # read to the end, where gzip checks its checksum
                pass


def _of_folder(folder: Path) -> Iterator[tuple[str, Member]]:
    """Yield the members of an unpacked bundle. Other files in the folder are ignored, except in files/."""
    names = json.loads((folder / MANIFEST).read_bytes()).get("members", {}) if (folder / MANIFEST).is_file() else {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and (name in names or name == MANIFEST or name.startswith("files/")):
            with path.open("rb") as content:
                yield name, _read(name, content)


def main(arguments: list[str]) -> int:
    bundle = Path(arguments[0]) if arguments else Path(__file__).resolve().parent
    problems, manifest = verify(bundle)
    if problems or manifest is None:
        say(*problems, "This bundle is NOT as Deskhand wrote it.")
        return 1
    files, events = len(manifest["members"]), manifest["events"]["count"]
    say(
        f"{files} files and {events} events of run {manifest['run']} are as Deskhand wrote them.",
        f"Seal {manifest['seal']}: the audit log of the team has the same one at run.exported.",
    )
    return 0


def say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
