"""Agreement of docs/guarantees.md with the tests of its promises and with the mutations."""

from __future__ import annotations

import re

from tests.architecture.code import ROOT
from tests.architecture.promises import PROMISES, differences, marked, rows
from tests.mutations.catalogue import MUTATIONS, stale


def test_every_promise_is_explained_and_named_by_a_test():
    assert list(rows()) == PROMISES
    assert sorted(marked()) == sorted(PROMISES)


def test_the_page_names_the_tests_that_there_are():
    assert differences() == []


def test_the_mechanisms_on_the_page_are_in_the_code():
    named = [
        (path, name)
        for _, mechanism in rows().values()
        for path, name in re.findall(r"`([\w/]+\.py):(\w+)`", mechanism)
    ]
    missing = [f"{path}:{name}" for path, name in named if not re.search(rf"\b{name}\b", (ROOT / path).read_text())]
    assert missing == []
    assert len({mechanism for _, mechanism in rows().values() if ".py:" in mechanism}) == len(PROMISES)


def test_every_promise_has_a_mutation_and_its_tests_name_the_promise():
    named = marked()
    assert {mutation.promise for mutation in MUTATIONS} == set(PROMISES)
    wrong = [f"{m.promise}: {test}" for m in MUTATIONS for test in m.tests if test not in named[m.promise]]
    assert wrong == []


def test_every_mutation_still_finds_the_text_that_it_replaces():
    assert stale() == []
