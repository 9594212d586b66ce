"""Options that `make up` reads from the environment."""

from __future__ import annotations

import os

import pytest

from config.launch.options import Options


@pytest.mark.parametrize(("cores", "processes"), [(1, 1), (2, 2), (3, 3), (4, 4), (64, 4), (None, 1)])
def test_there_is_a_web_process_for_each_core_up_to_four(monkeypatch, cores, processes):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)

    assert Options.read({}).web == processes
    assert Options.read({"WEB": ""}).web == processes


@pytest.mark.parametrize("given", [1, 2, 64])
def test_the_number_of_web_processes_can_be_named(given):
    assert Options.read({"WEB": str(given)}).web == given
