"""Twenty questions of a newcomer, answered by docs/map.md and names alone."""

from __future__ import annotations

import re

import pytest

from tests.architecture.code import ROOT

MAP = (ROOT / "docs/map.md").read_text()
QUESTIONS = {
    "Which event types are there?": ("tasks/events.py", "class RunFinished"),
    "Which status may follow which?": ("tasks/models/run.py", "TRANSITIONS"),
    "Where does a worker take a run?": ("tasks/engine/sql.py", "CLAIM"),
    "Where is one commit of a run defined?": ("tasks/engine/commits.py", "class Commit"),
    "Where is a question or an approval asked?": ("tasks/engine/human_requests.py", "def question"),
    "Where is an answer taken?": ("tasks/services/answers.py", "def answer_request"),
    "Where does a question or an approval expire?": ("tasks/services/periodic.py", "def expire_requests"),
    "Where is a scheduled run started?": ("tasks/services/periodic.py", "def start_due_runs"),
    "Where is the usage of a crashed call booked?": ("tasks/services/periodic.py", "def settle_abandoned_calls"),
    "Where is money reserved before a call?": ("billing/ledger_sql.py", "def reserve"),
    "What happens to a run after its worker died?": ("tasks/engine/recovery.py", "def take_up"),
    "What stops a run that makes no progress?": ("tasks/engine/breaker.py", "def check"),
    "Where is a tool call limited in time?": ("tasks/engine/tool_executor.py", "GRACE_S"),
    "How do I add a tool?": ("tools/spec.py", "class ToolSpec"),
    "Which tools can a run use?": ("tools/catalog.py", "def for_run"),
    "How do I add a model runtime?": ("agents/runtimes/base.py", "class Runtime"),
    "Where are plans and their limits?": ("billing/plans.py", "PLANS"),
    "Who may do what?": ("accounts/models/roles.py", "ACTIONS"),
    "Where are live frames sent?": ("tasks/live/hub.py", "class Hub"),
    "Where is an error turned into an answer?": ("config/errors.py", "problem"),
    "Where is an API key checked?": ("accounts/rest/authentication.py", "class "),
    "Where are forks made?": ("tasks/services/forks.py", "def fork_run"),
    "How does a lower app reach a higher one?": ("accounts/hooks.py", "class Hook"),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_map_leads_to_the_file(question):
    path, name = QUESTIONS[question]
    folder = path.rsplit("/", 1)[0] + "/"

    assert path in MAP or folder in MAP
    assert name in (ROOT / path).read_text()


def test_every_path_and_name_on_the_map_exists():
    named = re.findall(r"`([\w/]+(?:\.py|/))`", MAP)

    missing = [path for path in named if "/" in path.rstrip("/") and not (ROOT / path).exists()]

    assert len(QUESTIONS) >= 20
    assert len(named) > 30
    assert missing == []
