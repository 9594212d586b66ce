"""`make mutations`: prints promise, removed mechanism, tests, verdict; fails when a mutation is not caught."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree

from tests import services
from tests.house.code import committed
from tests.mutations.catalogue import MUTATIONS, ROOT, Mutation, stale

LONGEST_S = 120


def main(promises: Sequence[str]) -> int:
    if problems := stale():
        print("These mechanisms have moved; mend tests/mutations/catalogue.py:", *problems, sep="\n")
        return 1
    chosen = [m for m in MUTATIONS if not promises or m.promise in promises]
    with tempfile.TemporaryDirectory(prefix="deskhand-mutations-") as folder:
        copy = Path(folder)
        for name in committed():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
        services.provide()
        wanted = {test for mutation in chosen for test in mutation.tests}
        passed, failed = _outcome(copy, wanted, LONGEST_S * 3)
        if failed or passed != wanted:
            print("These do not pass as the code is:", *sorted(failed | (wanted - passed)), sep="\n")
            return 1
        print(f"{len(wanted)} tests pass as the code is.", flush=True)
        missed = [mutation for mutation in chosen if not _is_caught(copy, mutation)]
    print(f"{len(chosen) - len(missed)} of {len(chosen)} mutations caught.")
    return 1 if missed else 0


def _is_caught(copy: Path, mutation: Mutation) -> bool:
    began = time.monotonic()
    before = {edit.file: (copy / edit.file).read_text() for edit in mutation.edits}
    for edit in mutation.edits:
        path = copy / edit.file
        path.write_text(path.read_text().replace(edit.old, edit.new))
    _, failed = _outcome(copy, mutation.tests, LONGEST_S)
    for file, text in before.items():
        (copy / file).write_text(text)
    missing = set(mutation.tests) - failed
    verdict = f"NOT CAUGHT by {', '.join(sorted(missing))}" if missing else "caught"
    tests = ", ".join(test.partition("::")[2] for test in mutation.tests)
    taken = time.monotonic() - began
    print(f"| {mutation.promise} | {mutation.removed} | {tests} | {verdict} ({taken:.0f} s) |", flush=True)
    return not missing


def _outcome(copy: Path, tests: Iterable[str], seconds: float) -> tuple[set[str], set[str]]:
    """Which of the tests passed in all cases, and which failed in one. What could not even run is in neither."""
    report = copy / "report.xml"
    report.unlink(missing_ok=True)
    words = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *sorted(tests))
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    # Two edits within one second leave files of one age and size, which a kept .pyc would not tell apart.
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "DESKHAND_TEST_PATIENCE_S": "6"}
    try:
        subprocess.run(words, cwd=copy, env=environment, capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return set(), set()
    if not report.exists():
        return set(), set()
    ran, failed, broken = set(), set(), set()
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - our own pytest wrote it
        name = f"{case.attrib['classname'].replace('.', '/')}.py::{case.attrib['name'].partition('[')[0]}"
        ran.add(name)
        failed |= {name} if case.find("failure") is not None else set()
        broken |= {name} if case.find("error") is not None else set()
    return ran - failed - broken, failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
