"""`make mutations`: print promise, removed mechanism, tests and verdict.

Exit with an error unless every mutation is caught.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from tests import services
from tests.architecture.code import committed
from tests.mutations.catalogue import MUTATIONS, ROOT, Mutation, stale

LONGEST_S = 120
RAN = (0, 1)
"""Exit codes of pytest when every test ran: all passed, or some failed. Any other means that tests could not run."""
CAUGHT, MISSED, NOT_RUN = "caught", "NOT CAUGHT", "COULD NOT BE TRIED"


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
        as_it_is = _outcome(copy, wanted, LONGEST_S * 3)
        if as_it_is.passed != wanted:
            print("These do not pass as the code is:", *sorted(wanted - as_it_is.passed), as_it_is.trouble, sep="\n")
            return 1
        print(f"{len(wanted)} tests pass as the code is.", flush=True)
        verdicts = Counter(_verdict(copy, mutation) for mutation in chosen)
    print(f"{verdicts[CAUGHT]} of {len(chosen)} mutations caught, {verdicts[NOT_RUN]} could not be tried.")
    return 0 if verdicts[CAUGHT] == len(chosen) else 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """Tests that passed in all cases, tests that failed in one, and what kept the others from running."""

    passed: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    trouble: str = ""


def _verdict(copy: Path, mutation: Mutation) -> str:
    began = time.monotonic()
    before = {edit.file: (copy / edit.file).read_text() for edit in mutation.edits}
    for edit in mutation.edits:
        path = copy / edit.file
        path.write_text(path.read_text().replace(edit.old, edit.new))
    wanted = set(mutation.tests)
    outcome = _outcome(copy, wanted, LONGEST_S)
    if wanted - outcome.failed - outcome.passed:  # a busy machine, or a broken test
        outcome = _outcome(copy, wanted, LONGEST_S)
    for file, text in before.items():
        (copy / file).write_text(text)
    verdict, summary = judged(wanted, outcome)
    tests = ", ".join(test.partition("::")[2] for test in mutation.tests)
    taken = time.monotonic() - began
    print(f"| {mutation.promise} | {mutation.removed} | {tests} | {summary} ({taken:.0f} s) |", flush=True)
    return verdict


def judged(wanted: set[str], outcome: Outcome) -> tuple[str, str]:
    """Return the verdict on a mutation, and its text. A test that could not run has neither caught nor missed it."""
    if blind := wanted & outcome.passed:
        return MISSED, f"{MISSED} by {', '.join(sorted(blind))}"
    if unrun := wanted - outcome.failed:
        return NOT_RUN, f"{NOT_RUN}, twice: {', '.join(sorted(unrun))}: {outcome.trouble or 'no word of it'}"
    return CAUGHT, CAUGHT


def _outcome(copy: Path, tests: Iterable[str], seconds: float) -> Outcome:
    report = copy / "report.xml"
    report.unlink(missing_ok=True)
    words = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *sorted(tests))
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    # Two edits within a second leave files of the same age and size, which a cached .pyc would not tell apart.
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "DESKHAND_TEST_PATIENCE_S": "6"}
    try:
        done = subprocess.run(words, cwd=copy, env=environment, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return Outcome(trouble=f"not over after {seconds:.0f} s")
    last = (done.stdout.strip() or done.stderr.strip()).splitlines()[-1:]
    trouble = "" if done.returncode in RAN else f"pytest ended with {done.returncode}: {' '.join(last)[:200]}"
    return read_report(report.read_text(), trouble) if report.exists() else Outcome(trouble=trouble)


def read_report(text: str, trouble: str = "") -> Outcome:
    """Parse pytest's JUnit report."""
    ran, failed, broken = set(), set(), {}
    for case in ElementTree.fromstring(text).iter("testcase"):  # noqa: S314 - our own pytest wrote it
        name = f"{case.attrib['classname'].replace('.', '/')}.py::{case.attrib['name'].partition('[')[0]}"
        ran.add(name)
        failed |= {name} if case.find("failure") is not None else set()
        if (error := case.find("error")) is not None:
            broken[name] = error.get("message", "")
    unable = {name: why for name, why in broken.items() if name not in failed}
    return Outcome(ran - failed - broken.keys(), failed, trouble or next(iter(unable.values()), "")[:200])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
