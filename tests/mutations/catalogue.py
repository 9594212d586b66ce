"""Catalogue of mutations: mechanisms, the edits that remove them, and the tests that must fail then."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOL_EXECUTOR, DRIVER, TOOL_CALLS = (
    "tasks/engine/tool_executor.py",
    "tasks/engine/driver.py",
    "tasks/engine/tool_calls.py",
)
JOURNAL, MODEL, RECOVERY, SQL = (f"tasks/engine/{name}.py" for name in ("journal", "model", "recovery", "sql"))
ANSWERS, PERIODIC, RUNS = (f"tasks/services/{name}.py" for name in ("answers", "periodic", "runs"))
LEDGER_SQL, PERIODIC_JOBS = "billing/ledger_sql.py", "tasks/periodic.py"
IDEMPOTENCY, STORAGE, HUB = "accounts/rest/idempotency.py", "storage/services.py", "tasks/live/hub.py"

CALLS, EFFECTS, ENDINGS = (f"tests/tasks/test_engine_{name}.py::" for name in ("calls", "effects", "endings"))
HINTS, LIMITS, PEOPLE = (f"tests/tasks/test_engine_{name}.py::" for name in ("hints", "limits", "people"))
LOST, STOPPING = (f"tests/tasks/test_engine_{name}.py::" for name in ("recovery", "stopping"))
ADMISSION, CAPS, OWNERS, TOGETHER = (f"tests/races/test_{n}.py::" for n in ("admission", "caps", "owners", "people"))
CLAUDE, CLOCK, LIVE = (f"tests/tasks/test_{name}.py::" for name in ("anthropic_run", "periodic", "hub"))
BOUNDS = "tests/agents/test_runtime_anthropic_bounds.py::"
INTAKE, LEDGER = (f"tests/tasks/test_engine_{name}.py::" for name in ("intake", "ledger"))
CATALOG = "tests/tasks/test_engine_catalog.py::"
ASYNC_TOOLS = "tests/tasks/test_engine_async_tools.py::"
OUTAGES = "tests/tasks/test_outages.py::"
BEGINS = "tests/tasks/test_engine_begin_effect.py::"
CONSENT, CONSENTS = "agents/services/consent.py", "tests/tasks/test_consent.py::"
OUTAGES_OF_MODELS = "tasks/engine/outages.py"
KEYS, OBJECTS = "tests/accounts/test_api_idempotency.py::", "tests/storage/test_services.py::"


@dataclass(frozen=True, slots=True)
class Edit:
    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutation:
    """One mutation. `tests` are node ids without parameters: at least one case of each has to fail."""

    promise: str
    removed: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]


def _m(promise: str, removed: str, file: str, old: str, new: str, *tests: str) -> Mutation:
    return Mutation(promise, removed, (Edit(file, old, new),), tests)


MUTATIONS = (
    _m("G1", "a run whose lease ran out is claimed again", SQL,
       "SELECT * FROM lost UNION ALL SELECT * FROM suspect UNION ALL", "",
       f"{LOST}test_a_lost_model_call_is_asked_again_and_costs_nothing"),
    _m("G1", "a status follows only one that allows it", "tasks/models/run.py",
       "filter(pk=self.pk, status__in=allowed_from)", "filter(pk=self.pk)",
       f"{TOGETHER}test_eight_cancels_at_once_end_a_run_once"),
    _m("G1", "a write that is sent again is known by its number", JOURNAL, "if is_repeat:", "if False:",
       f"{OWNERS}test_a_write_whose_answer_was_lost_is_sent_again_and_done_once"),

    _m("G2", "an idle worker looks at the table by itself", DRIVER,
       'timeout=self._config["poll_s"], return_when', "timeout=None, return_when",
       f"{HINTS}test_an_idle_worker_finds_a_run_whose_message_was_lost"),
    _m("G2", "the clock wakes a worker when runs wait", PERIODIC_JOBS,
       'register("tasks", periodic.wake_workers, every_s=EVERY_S, lane="wake_ups")\n', "",
       f"{CLOCK}test_lost_messages_and_dead_workers_wake_a_worker"),
    _m("G2", "a Valkey that is away fails no start", "tasks/queue.py",
       'except RedisError as error:\n        log.warning("could not wake',
       'except EOFError as error:\n        log.warning("could not wake',
       f"{HINTS}test_without_valkey_a_run_is_accepted_at_once_driven_and_cancelled"),
    _m("G2", "the live view looks at the table without hints", HUB,
       "in (self._listen(), self._poll())", "in (self._listen(),)",
       f"{LIVE}test_without_hints_the_table_is_looked_at"),

    _m("G3", "a write names its owner's epoch", SQL,
       "r.epoch = o.epoch AND r.commit_no = o.commit_no - 1", "r.commit_no = o.commit_no - 1",
       f"{OWNERS}test_an_owner_of_before_changes_nothing"),
    _m("G3", "each claim is a new epoch", SQL, "epoch = r.epoch + 1, commit_no = 0", "epoch = r.epoch, commit_no = 0",
       f"{OWNERS}test_workers_that_claim_at_once_share_the_runs_and_no_run_has_two",
       f"{OWNERS}test_an_owner_of_before_changes_nothing"),
    _m("G3", "only the owner renews a lease", SQL,
       "WHERE r.epoch = o.epoch AND r.status = 'running'\n), free", "WHERE r.status = 'running'\n), free",
       f"{OWNERS}test_an_owner_of_before_changes_nothing"),
    Mutation("G3", "a claim locks, and looks again at the rows that it takes", (
        Edit(JOURNAL, 'await db.execute("SELECT pg_advisory_xact_lock(%s)", (CLAIM_LOCK,))', "pass"),
        Edit(SQL, "AND status = 'queued'\n    ORDER BY array_position(ARRAY(SELECT id FROM picked), id)"
                  " FOR NO KEY UPDATE SKIP LOCKED", ""),
    ), (f"{OWNERS}test_workers_that_claim_at_once_share_the_runs_and_no_run_has_two",)),
    _m("G3", "no call begins when the lease is over by our own clock", TOOL_EXECUTOR, "or self.lease.is_over()", "",
       f"{CALLS}test_a_call_does_not_begin_while_the_lease_is_over_by_our_own_clock"),

    _m("G4", "a call with a result is not open any more", "tasks/engine/conversation.py",
       '        if b["id"] not in have\n', "",
       f"{LOST}test_a_settled_step_is_never_taken_again"),

    _m("G5", "an intent is committed before its tool is called", TOOL_CALLS,
       "        await self._run.flush()\n\n    # ---- Settling", "\n    # ---- Settling",
       f"{EFFECTS}test_every_call_is_written_down_before_it_is_made"),
    _m("G5", "the beginning of an effect is committed before it", TOOL_EXECUTOR,
       "        self._run.write_step(step)\n        await self._run.flush()\n", "",
       f"{BEGINS}test_the_beginning_of_an_effect_is_committed_before_it"),
    _m("G5", "an effect begins only while the run is ours", TOOL_EXECUTOR,
       "        done.result()\n        call.check()\n", "        done.result()\n",
       f"{BEGINS}test_no_effect_begins_while_the_lease_is_over_by_our_own_clock"),
    _m("G5", "what failed before the effect is not asked about", "tools/runner.py",
       "has_begun = spec.effect == Effect.EFFECTFUL and not spec.announces_effect",
       "has_begun = spec.effect == Effect.EFFECTFUL",
       f"{BEGINS}test_what_was_away_before_the_effect_is_tried_again_and_nobody_is_asked"),
    _m("G5", "a lost call that may have had an effect is not repeated", RECOVERY,
       "if spec.effect != Effect.EFFECTFUL or step.effect_at is None:", "if True:",
       f"{LOST}test_a_lost_effect_asks_a_person"),
    _m("G5", "a lost call is settled by the spec that it was made with", RECOVERY,
       "recorded_spec(step.spec,", "recorded_spec(None,",
       f"{CATALOG}test_a_lost_call_is_settled_by_the_spec_that_it_was_made_with"),
    _m("G5", "each lost attempt needs a word of its own", RECOVERY,
       'if not asked or asked[-1]["asked_at"] < step.effect_at:', "if not asked:",
       f"{LOST}test_a_lost_effect_that_is_lost_again_asks_again"),
    _m("G5", "an effect without an answer in time asks a person", TOOL_EXECUTOR,
       "if call.spec.effect == Effect.EFFECTFUL and step.effect_began:", "if False:",
       f"{CALLS}test_an_effect_without_an_answer_asks_a_person"),

    _m("G6", "a call that was lost with its worker is in the books", RECOVERY,
       "    run.charge(usage, settle_key=key)\n", "",
       f"{LOST}test_a_lost_model_call_is_asked_again_and_costs_nothing"),
    _m("G6", "a failed call that was sent is in the books", OUTAGES_OF_MODELS, "if error.sent:", "if False:",
       f"{LIMITS}test_a_model_that_is_busy_is_asked_again_under_the_same_step"),
    _m("G6", "the provider's client does not repeat by itself", "agents/runtimes/anthropic/runtime.py",
       "max_retries=0", "max_retries=2", f"{CLAUDE}test_faults_are_tried_again_and_only_answers_are_paid"),
    _m("G6", "an answer that comes after the lease is in the books", "tasks/engine/run_loop.py",
       "        await run.write_late_usage()\n", "", f"{LOST}test_a_worker_that_lost_its_lease_writes_nothing"),

    _m("G7", "the row of a budget is locked while it is compared", LEDGER_SQL,
       "ORDER BY b.id, r.id FOR UPDATE OF b", "", f"{CAPS}test_eight_workers_reserve_the_last_unit_once"),
    _m("G7", "what others have reserved counts", LEDGER_SQL,
       "WHERE spent + reserved_usd + %(amount)s > limit_usd", "WHERE spent + %(amount)s > limit_usd",
       f"{CAPS}test_eight_workers_reserve_the_last_unit_once", f"{CAPS}test_many_runs_at_once_never_pass_the_cap"),
    _m("G7", "places are counted by one worker at a time", JOURNAL,
       'await db.execute("SELECT pg_advisory_xact_lock(%s)", (CLAIM_LOCK,))', "pass",
       f"{CAPS}test_the_last_place_of_a_team_is_counted_after_the_lock"),
    _m("G7", "a run's own limit counts the worst case", MODEL,
       "if run.cost_usd + worst > limit:", "if run.cost_usd > limit:",
       f"{LIMITS}test_a_run_stops_before_it_could_pass_its_cost_limit"),
    _m("G7", "what was reserved is freed when the call is settled", LEDGER_SQL,
       "reserved_usd = b.reserved_usd - t.amount,", "reserved_usd = b.reserved_usd,",
       f"{LIMITS}test_a_team_budget_is_reserved_and_settled",
       f"{CAPS}test_what_a_lost_worker_reserved_is_free_again_with_the_next_attempt"),

    _m("G8", "numbers are taken under the run's row lock", "tasks/event_log.py",
       'update(last_seq=F("last_seq") + len(events))', "update(last_seq=run.last_seq + len(events))",
       f"{TOGETHER}test_many_who_append_to_one_run_at_once_leave_no_gap"),
    _m("G8", "hints are sent after the commit", "tasks/event_log.py",
       "transaction.on_commit(partial(publish, hints_of(run, status=status)))", "publish(hints_of(run, status=status))",
       f"{HINTS}test_an_event_is_announced_after_its_commit_and_not_before",
       f"{HINTS}test_what_is_rolled_back_is_not_announced_and_leaves_no_gap"),
    _m("G8", "a viewer is not sent what it has had", HUB, "if got.seq and got.seq <= sent:", "if False:",
       f"{LIVE}test_a_viewer_that_joins_others_has_nothing_twice"),
    _m("G8", "history is read after the viewer has joined", HUB,
       "async for frame in self._history(feed, after):", "async for frame in self._history(feed, 10**9):",
       f"{LIVE}test_history_then_caught_up_then_live_then_end"),

    _m("G9", "a run that was lost too often is stopped", RECOVERY,
       "if was_lost and _is_poison(row, ports.max_recoveries):", "if False:",
       f"{LOST}test_a_poison_run_stops_with_the_reason",
       f"{EFFECTS}test_a_poison_run_stops_and_its_neighbours_go_on"),
    _m("G9", "a worker takes one suspect at a time", SQL,
       "ORDER BY lease_expires_at LIMIT LEAST(%(room)s, 1)", "ORDER BY lease_expires_at LIMIT %(room)s",
       f"{LOST}test_neighbours_of_a_poison_run_are_not_counted_down_with_it"),
    _m("G9", "a write that is refused is tried alone", JOURNAL, "if len(group) > 1:", "if False:",
       f"{OWNERS}test_a_write_that_postgres_refuses_takes_none_of_its_group_along"),

    _m("G10", "requests with one key are locked out while the first is at work", IDEMPOTENCY,
       "                _lock(team or request.user, key)\n", "",
       f"{KEYS}test_who_comes_while_the_first_is_at_work_is_told_at_once",
       f"{TOGETHER}test_twenty_equal_posts_at_once_start_one_run"),
    _m("G10", "the answer is kept with its key", IDEMPOTENCY,
       "                _keep(team or view.team, key, fingerprint, response, hide)\n", "",
       f"{KEYS}test_the_same_key_and_body_give_the_first_answer_again",
       f"{TOGETHER}test_twenty_equal_posts_at_once_start_one_run"),
    _m("G10", "a form waits for the same form", IDEMPOTENCY, "        _wait(request.team, key)\n", "",
       "tests/races/test_forms.py::test_one_form_sent_six_times_at_once_leads_to_one_run"),
    _m("G10", "another body is told from the same one", IDEMPOTENCY,
       "if record.fingerprint != fingerprint:", "if False:",
       f"{KEYS}test_the_same_key_with_another_body_or_path_is_refused",
       f"{TOGETHER}test_twenty_equal_posts_at_once_start_one_run"),

    _m("G11", "a due run is locked and looked at again", PERIODIC,
       "locked = rows.filter(pk=run.pk).first()", "locked = run",
       f"{TOGETHER}test_two_clocks_at_once_start_each_scheduled_run_once"),

    Mutation("G12", "a cancelled run takes no more writes of its worker", (
        Edit(SQL, "r.epoch = o.epoch AND r.commit_no = o.commit_no - 1 AND r.status = 'running'",
             "r.commit_no = o.commit_no - 1"),
    ), (f"{TOGETHER}test_after_a_cancel_is_acknowledged_no_call_starts",)),
    _m("G12", "a cancel ends a call that waits on the loop", TOOL_EXECUTOR,
       "                work.cancel()  # a thread", "                pass  # a thread",
       f"{ASYNC_TOOLS}test_a_cancel_ends_a_call_that_waits"),
    _m("G12", "a cancel is sent to the worker", RUNS,
       "    event_log.append(run, finished)\n    event_log.stop_worker(run.pk)\n",
       "    event_log.append(run, finished)\n",
       f"{EFFECTS}test_a_cancel_stops_a_tool_in_flight"),
    _m("G12", "a heartbeat stops what is not ours any more", DRIVER,
       "for run_id in owned.keys() - ours:", "for run_id in ():",
       f"{EFFECTS}test_a_cancel_stops_a_tool_in_flight"),
    _m("G12", "open requests of a cancelled run are void", RUNS,
       "    HumanRequest.objects.filter(run=run, status=RequestStatus.OPEN).update(status=RequestStatus.VOID)\n", "",
       f"{PEOPLE}test_cancel_makes_an_open_approval_void"),
    _m("G12", "a start holds the run that asks for it", RUNS,
       "            _lock_parent(request.parent, run)\n", "            pass\n",
       f"{TOGETHER}test_no_child_lives_on_that_was_started_beside_the_cancel_of_its_parent"),

    _m("G13", "the answer names what was shown", ANSWERS, 'if answer.get("digest") != asked.digest:', "if False:",
       f"{PEOPLE}test_an_approval_with_another_digest_is_refused_and_stays_open"),
    _m("G13", "the stored call is what was shown", "tasks/engine/human_requests.py",
       'asked["digest"] == digest(call.tool, asked["arguments"] or {})', "True",
       f"{EFFECTS}test_a_stored_call_that_was_changed_after_it_was_shown_is_not_made"),
    _m("G13", "only an open request takes an answer", ANSWERS, "    _still_open(asked, now)\n", "",
       f"{PEOPLE}test_a_second_answer_is_refused",
       f"{TOGETHER}test_an_answer_after_the_run_has_gone_on_does_not_touch_it"),
    Mutation("G13", "run and request are locked while they are answered", (
        Edit(ANSWERS, "run = Run.objects.select_for_update().get(pk=asked.run_id)\n    locked",
             "run = Run.objects.get(pk=asked.run_id)\n    locked"),
        Edit(ANSWERS, "locked: Any = HumanRequest.objects.select_for_update().annotate",
             "locked: Any = HumanRequest.objects.annotate"),
    ), (f"{TOGETHER}test_of_two_answers_at_once_one_counts_and_one_is_refused",)),
    _m("G13", "an approval ends before a run that failed is continued with it", "tasks/engine/claimed_run.py",
       "return is_old and asked[\"kind\"] == RequestKind.APPROVAL and self.is_before_continued(asked)", "return False",
       "tests/tasks/test_continuing.py::test_an_approval_of_long_ago_is_asked_for_again"),
    _m("G13", "an approval ends", ANSWERS,
       "and asked.expires_at and asked.expires_at < now", "and False",
       f"{EFFECTS}test_an_approval_that_came_too_late_makes_no_call"),

    _m("G16", "queries name the team", "accounts/models/base.py", "return self.filter(team=team)", "return self.all()",
       "tests/architecture/test_outsider_urls.py::test_an_outsider_gets_nothing_of_another_team",
       "tests/tasks/test_api_runs.py::test_an_outsider_meets_nothing",
       "tests/accounts/test_api_conventions.py::test_a_list_shows_the_callers_team_only"),
    _m("G16", "a socket looks at the caller's teams", "tasks/live/access.py",
       "if team_of.get(run_id) in teams[caller]", "if run_id in team_of",
       "tests/architecture/test_outsider_sockets.py::test_every_socket_is_closed_to_an_outsider",
       "tests/tasks/test_consumers.py::test_an_outsider_and_nobody_see_nothing"),
    _m("G16", "a stream looks at the caller's teams", "tasks/live/sse.py",
       "bool(await sync_to_async(allowed)({(caller, run_id)}))", "True",
       "tests/tasks/test_sse.py::test_another_team_gets_404_and_nobody_gets_401"),
    _m("G16", "the number in the inbox is the team's", "tasks/live/consumers.py",
       "HumanRequest.objects.visible_to(access).open()", "HumanRequest.objects.open()",
       "tests/tasks/test_consumers.py::test_what_waits_in_another_team_is_not_counted"),

    _m("G17", "an object is read back before it has a row", STORAGE, "        if not whole:\n", "        if False:\n",
       f"{OBJECTS}test_an_object_that_was_not_kept_whole_gets_no_row",
       "tests/tasks/test_engine_files.py::test_a_file_is_named_when_the_store_has_it_whole_and_not_before"),
    _m("G17", "a copy is compared with what was kept", STORAGE, "if _sha256(part) != sha256:", "if False:",
       f"{OBJECTS}test_a_damaged_object_is_not_copied"),
    _m("G17", "an object without a row is removed", STORAGE,
       '        for of in objects:\n            forget_object(of["key"])\n', "",
       f"{OBJECTS}test_no_object_is_left_when_the_row_cannot_be_made"),
    _m("G17", "what a tool says is committed while it works", TOOL_EXECUTOR,
       "if self._run.pending.events and not work.done():", "if False:",
       "tests/tasks/test_engine_files.py::test_the_words_of_a_tool_are_kept_while_it_works"),

    _m("G18", "a stopping worker hands over between two steps", "tasks/engine/run_loop.py",
       "if ports.draining.is_set():", "if False:",
       f"{STOPPING}test_a_stopping_worker_begins_no_other_turn_of_the_model"),
    _m("G18", "a run that waits for a thread is handed over", TOOL_EXECUTOR,
       "if self._ports.draining.is_set():", "if False:",
       f"{CALLS}test_a_stop_hands_over_a_run_that_waits_for_a_thread"),
    _m("G18", "a run in the middle of a call is let go", DRIVER,
       "await self._journal.release([(run_id, held.epoch) for run_id, held in left.items()])", "pass",
       f"{STOPPING}test_a_call_that_outlasts_the_stop_is_let_go_and_taken_up_at_once"),
    _m("G18", "a run that was let go is not counted as lost", "tasks/engine/sql.py",
       "(mine.status = 'running' AND NOT mine.was_let_go)::int", "(mine.status = 'running')::int",
       f"{STOPPING}test_rolling_restarts_in_the_middle_of_a_call_make_no_run_a_suspect"),
    _m("G18", "SIGTERM reaches the driver", "tasks/jobs.py", "@worker_shutting_down.connect\n", "",
       f"{STOPPING}test_sigterm_makes_a_worker_process_hand_its_runs_over"),

    _m("G20", "what is looser takes an owner or admin", CONSENT,
       "found = [] if is_admin else loosened(agent=agent, wanted=wanted)", "found: list[FieldError] = []",
       f"{CONSENTS}test_who_may_not_raise_money_may_not_loosen_consent",
       f"{CONSENTS}test_a_new_agent_asks_as_often_as_its_tools_do"),
    _m("G20", "a restored version is compared, too", "agents/services/agents.py",
       "    consent.require(agent=agent, wanted=old, is_admin=is_admin)\n", "",
       f"{CONSENTS}test_who_may_not_raise_money_may_not_loosen_consent"),
    _m("G20", "a tool that was taken from an agent stays away", CONSENT,
       "return defaults | taken | {", "return defaults | {",
       f"{CONSENTS}test_a_member_gives_an_agent_a_tool_that_it_never_had_and_not_one_that_was_taken"),
    _m("G20", "an approver who is added could approve", CONSENT,
       "if not named or (wanted and wanted <= named):", "if not named or wanted:",
       f"{CONSENTS}test_who_may_not_raise_money_may_not_loosen_consent"),
    _m("G20", "a fork takes the stricter policies", CONSENT,
       'today if is_looser(row["policy"], today) else row["policy"]', 'row["policy"]',
       "tests/tasks/test_forks.py::test_a_fork_asks_where_its_version_or_the_agent_of_today_does"),
    _m("G20", "a run that nobody could approve is not started", "tasks/services/run_request.py",
       "        require_approver(agent=agent, versions=[version], starter=request.actor)\n", "",
       f"{CONSENTS}test_a_run_that_nobody_could_approve_is_refused_over_the_api",
       f"{CONSENTS}test_a_run_that_nobody_could_approve_is_refused_on_the_page"),
    _m("G21", "a number is read as PostgreSQL gives it back", "accounts/strict_json.py",
       "return int(Decimal(repr(value))) if abs(value) >= _EXACT else value", "return value",
       "tests/accounts/test_strict_json.py::test_a_value_has_the_same_digest_before_and_after_the_database"),
    _m("G21", "halves of characters are mended when they are read", "accounts/strict_json.py",
       'decode("utf-16-le", "replace")', 'decode("utf-16-le", "surrogatepass")',
       "tests/accounts/test_strict_json.py::test_a_text_is_the_same_before_and_after_the_database"),
    Mutation("G21", "a model's arguments are kept in memory as their row will be", (
        Edit("tasks/engine/intake.py", "else strict_json.normalise(given or {})", "else (given or {})"),
        Edit("tasks/engine/claimed_run.py", "step.request, step.result = strict_json.storable(step.request), "
             "strict_json.storable(step.result)", "pass"),
    ), (f"{INTAKE}test_numbers_that_postgres_stores_otherwise_void_no_approval",
        f"{INTAKE}test_what_is_in_memory_is_what_is_in_the_row")),
    _m("G21", "the pieces of a text are mended when they are joined", "agents/runtimes/anthropic/answer.py",
       'block[name] = strict_json.clean_text("".join(pieces[name]))', 'block[name] = "".join(pieces[name])',
       "tests/agents/test_runtime_anthropic.py::test_halves_of_a_character_that_come_apart_are_one"),
    _m("G21", "an edit changes only what the person changed", "tasks/forms/call_edits.py",
       "if given == _plain_ends(shown):", "if False:",
       "tests/tasks/test_inbox.py::test_what_an_edit_did_not_touch_stays_as_it_was"),
    _m("G21", "a form that holds a version never allows the original", "tasks/forms/answers.py",
       'is_edit = answer["decision"] == "edit" or call_edits.has_arguments(data)',
       'is_edit = answer["decision"] == "edit"',
       "tests/tasks/test_inbox.py::test_a_form_that_holds_a_version_sends_it_whatever_button_is_pressed"),
    _m("G21", "what is sent is the version that was shown", "tasks/forms/call_edits.py",
       'if data.get("version", name) != name:', "if False:",
       "tests/tasks/test_inbox.py::test_a_version_that_is_none_sends_nothing"),
    _m("G21", "an approval with other arguments is refused", ANSWERS,
       '            _check_unedited(asked, answer.get("arguments"))\n', "            pass\n",
       "tests/tasks/test_api_runs.py::test_approving_with_other_arguments_than_the_call_has_is_refused"),
    _m("G19", "what cannot have been billed is tried without end", OUTAGES_OF_MODELS,
       "error.retryable and billed < MAX_BILLED_FAILURES", "error.retryable and failures < 3",
       f"{OUTAGES}test_an_outage_however_long_fails_no_run"),
    _m("G19", "one run at a time probes", OUTAGES_OF_MODELS,
       "if await ports.circuits.take_probe(run.circuit, run.id):", "if True:",
       f"{OUTAGES}test_of_two_workers_one_probes"),
    _m("G19", "a run whose model is away makes no call", MODEL,
       "is_probe = await outages.pass_circuit(run, ports)", "is_probe = False",
       f"{OUTAGES}test_a_run_that_starts_during_an_outage_makes_no_call"),
    _m("G19", "a person continues a run that failed", "tasks/models/run.py",
       "    S.FAILED: (S.QUEUED,),", "",
       "tests/tasks/test_continuing.py::test_a_failed_run_goes_on_and_repeats_nothing"),
    _m("G19", "runs go on when the model answers", PERIODIC_JOBS, "    periodic.resume_after_outages,\n", "",
       f"{OUTAGES}test_runs_go_on_with_the_next_sweep_when_the_model_answers"),

    _m("G22", "our own name for the call is the key of its line", MODEL,
       "key=key,\n        provider_id=", "key=turn.provider_message_id,\n        provider_id=",
       f"{LEDGER}test_a_message_id_that_is_used_twice_is_charged_twice"),
    _m("G22", "what was not counted is estimated", "agents/runtimes/anthropic/runtime.py",
       "tokens = _estimated(counted, request, content)", "tokens = counted",
       f"{LEDGER}test_an_answer_without_a_count_costs_an_estimate",
       f"{LEDGER}test_what_is_counted_in_part_is_estimated_in_the_rest"),
    _m("G22", "a count that cannot be is none", "agents/runtimes/anthropic/answer.py",
       "if 0 < value <= MOST_TOKENS else 0", "if 0 < value else 0",
       f"{LEDGER}test_an_answer_without_a_count_costs_an_estimate"),

    _m("G23", "the characters of an answer are counted", "agents/runtimes/anthropic/answer.py",
       "if self._chars_left < 0:", "if False:",
       f"{BOUNDS}test_an_answer_without_an_end_is_cut_at_what_it_can_be"),
    _m("G23", "the events of an answer are counted", "agents/runtimes/anthropic/runtime.py",
       "if count > bounds.events:", "if False:",
       f"{BOUNDS}test_an_answer_without_an_end_is_cut_at_what_it_can_be"),
    _m("G23", "the bytes of an answer are counted", "agents/runtimes/anthropic/runtime.py",
       "response.stream = Bounded(response.stream, bounds.total_bytes)", "pass",
       f"{BOUNDS}test_an_answer_without_an_end_is_cut_at_what_it_can_be"),
    _m("G23", "an error is read no further than its start", "agents/runtimes/anthropic/runtime.py",
       'event_hooks={"response": [bound_error]}', "event_hooks={}",
       f"{BOUNDS}test_an_error_is_read_no_further_than_its_start"),
    _m("G23", "JSON has a depth", "accounts/strict_json.py",
       "    if left == 0:\n        raise NotStorable(_too_deep(most))\n", "",
       "tests/accounts/test_strict_json.py::test_what_is_refused_and_why"),

    _m("admission", "teams take turns", SQL,
       "ORDER BY turn, priority DESC, queued_at LIMIT", "ORDER BY priority DESC, queued_at LIMIT",
       f"{ADMISSION}test_ten_thousand_runs_of_one_team_delay_anothers_first_by_one_slot",
       f"{ADMISSION}test_a_team_that_has_many_running_comes_after_one_that_has_none"),
    _m("admission", "a team has so many places", SQL,
       'LEAST(%(team_runs)s, {ledger_sql.running_limit("t.team_id")}) - COALESCE(b.n, 0)', "%(room)s",
       f"{ADMISSION}test_a_team_takes_no_more_places_than_it_may"),
    Mutation("admission", "an agent has so many places", (
        Edit(SQL, "AND a.max_concurrent_runs > COALESCE((SELECT n FROM busy WHERE busy.agent_id = r.agent_id), 0)", ""),
        Edit(SQL, "WHERE agent_place <= max_concurrent_runs ORDER BY", "ORDER BY"),
    ), (f"{ADMISSION}test_an_agent_takes_no_more_places_than_it_may_and_its_team_goes_on",
        f"{CAPS}test_eight_workers_fill_the_last_place_of_an_agent_once")),
    _m("admission", "priority counts inside a team", SQL,
       "ORDER BY r.priority DESC, r.queued_at", "ORDER BY r.queued_at",
       f"{ADMISSION}test_the_higher_priority_of_a_team_goes_first_but_not_before_another_team"),
    _m("admission", "a run waits for its time", SQL, "AND (r.start_at IS NULL OR r.start_at <= now())", "",
       f"{ADMISSION}test_a_run_that_is_not_due_waits_and_the_next_one_goes"),
    _m("admission", "a run that nobody took expires", PERIODIC_JOBS, "    periodic.expire_queued_runs,\n", "",
       f"{CLOCK}test_a_run_that_no_worker_took_expires"),
)  # fmt: skip


def stale() -> list[str]:
    """Return the edits whose text is not exactly once in its file: their mechanism has moved."""
    found = []
    for mutation in MUTATIONS:
        for edit in mutation.edits:
            times = (ROOT / edit.file).read_text().count(edit.old)
            if times != 1:
                found.append(f"{mutation.promise}, {mutation.removed}: {times} times in {edit.file}: {edit.old!r}")
    return found


if __name__ == "__main__":
    sys.exit("\n".join(stale()) or None)
