"""The engine's SQL. One statement writes the Commits of many runs at once, each fenced by its owner's epoch."""

from __future__ import annotations

from billing import ledger_sql

# Write a group of Commits. Parameter: `ops`, a JSON array in the shape of encoding.encode(). Returns a row for each run
# whose Commit was written; the others were fenced off. What each step inserts comes from the runs that passed step 2.
APPLY = f"""
-- 1. The Commits as rows.
WITH ops AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(ops)s::jsonb) AS o(
        run uuid, epoch int, commit_no int, events jsonb, n_events int, steps jsonb, usage jsonb, requests jsonb,
        artifacts jsonb, settle jsonb, status text, is_terminal bool, waiting_kind text, start_at timestamptz, output jsonb,
        error_code text, error_detail text, progress jsonb, turns int, active_s float,
        input_tokens bigint, output_tokens bigint, cache_read_tokens bigint, cache_write_tokens bigint, cost_usd numeric,
        read_message_seq int)
-- 2. The fence: only the owner of this epoch may write, only the Commit after the last one, only while the run runs, and
--    a Commit that ends it only if every message has been read. Locks the run; takes the numbers of its events.
), fenced AS (
    UPDATE tasks_run r SET
        commit_no = o.commit_no,
        last_seq = r.last_seq + COALESCE(o.n_events, 0),
        status = COALESCE(o.status, r.status),
        status_changed_at = CASE WHEN o.status IS NULL THEN r.status_changed_at ELSE now() END,
        lease_expires_at = CASE WHEN o.status IS NULL THEN r.lease_expires_at END,
        queued_at = CASE WHEN o.status = 'queued' THEN now() ELSE r.queued_at END,
        finished_at = CASE WHEN o.is_terminal THEN now() END,
        waiting_kind = COALESCE(o.waiting_kind, ''),
        start_at = CASE WHEN o.status IS NULL THEN r.start_at ELSE o.start_at END,
        output = COALESCE(o.output, r.output),
        error_code = COALESCE(o.error_code, ''),
        error_detail = COALESCE(o.error_detail, ''),
        progress = COALESCE(o.progress, r.progress),
        turns = r.turns + COALESCE(o.turns, 0),
        active_s = r.active_s + COALESCE(o.active_s, 0),
        input_tokens = r.input_tokens + COALESCE(o.input_tokens, 0),
        output_tokens = r.output_tokens + COALESCE(o.output_tokens, 0),
        cache_read_tokens = r.cache_read_tokens + COALESCE(o.cache_read_tokens, 0),
        cache_write_tokens = r.cache_write_tokens + COALESCE(o.cache_write_tokens, 0),
        cost_usd = r.cost_usd + COALESCE(o.cost_usd, 0)
    FROM ops o
    WHERE r.id = o.run AND r.epoch = o.epoch AND r.commit_no = o.commit_no - 1 AND r.status = 'running'
        AND r.last_message_seq <= COALESCE(o.read_message_seq, r.last_message_seq)
    RETURNING r.id, r.team_id, r.agent_id, r.task_id, r.last_seq, r.last_seq - COALESCE(o.n_events, 0) AS base, r.epoch, r.status,
        r.last_message_seq
-- 3. Events, numbered on from `base` without a gap.
), events AS (
    INSERT INTO tasks_runevent (run_id, seq, type, at, data)
    SELECT f.id, f.base + e.ord, e.v ->> 'type', now(), e.v -> 'data'
    FROM fenced f JOIN ops o ON o.run = f.id AND o.events IS NOT NULL, LATERAL jsonb_array_elements(o.events) WITH ORDINALITY AS e(v, ord)
-- 4. Steps. The same index again is the same step with its outcome.
), steps AS (
    INSERT INTO tasks_step (run_id, index, kind, status, attempt, epoch, call_id, tool, request, spec, result, created_at, effect_at, finished_at)
    SELECT f.id, s.index, s.kind, s.status, s.attempt, f.epoch, s.call_id, s.tool, s.request, s.spec, s.result, now(),
           CASE WHEN s.effect_began THEN now() END, CASE WHEN s.status <> 'intent' THEN now() END
    FROM fenced f JOIN ops o ON o.run = f.id AND o.steps IS NOT NULL, LATERAL jsonb_to_recordset(o.steps) AS s(
        index int, kind text, status text, attempt int, call_id text, tool text, request jsonb, spec jsonb, result jsonb, effect_began bool)
    ON CONFLICT (run_id, index) DO UPDATE SET
        status = excluded.status, attempt = excluded.attempt, epoch = excluded.epoch, request = excluded.request,
        spec = excluded.spec, result = excluded.result, effect_at = excluded.effect_at, finished_at = excluded.finished_at
-- 5. Lines of the usage ledger.
), calls AS (
    SELECT f.team_id, f.id AS run_id, f.agent_id, a.name AS agent_label, f.task_id, u.*
    FROM fenced f JOIN ops o ON o.run = f.id AND o.usage IS NOT NULL JOIN agents_agent a ON a.id = f.agent_id,
        LATERAL jsonb_to_recordset(o.usage) AS u({ledger_sql.LINE})
), usage AS ({ledger_sql.record("calls")}
-- 6. Requests to people, and artifacts.
), requests AS (
    INSERT INTO tasks_humanrequest (id, team_id, run_id, kind, status, title, prompt, choices, schema, step_index, call_id, tool,
        arguments, digest, asked_at, expires_at)
    SELECT q.id, f.team_id, f.id, q.kind, 'open', q.title, q.prompt, q.choices, q.schema, q.step_index, q.call_id, q.tool,
        q.arguments, q.digest, now(), q.expires_at
    FROM fenced f JOIN ops o ON o.run = f.id AND o.requests IS NOT NULL, LATERAL jsonb_to_recordset(o.requests) AS q(
        id uuid, kind text, title text, prompt text, choices jsonb, schema jsonb, step_index int, call_id text, tool text,
        arguments jsonb, digest text, expires_at timestamptz)
), artifacts AS (
    INSERT INTO tasks_artifact (id, team_id, run_id, path, file_id, version, created_at, updated_at)
    SELECT x.id, f.team_id, f.id, x.path, x.file_id, x.version, now(), now()
    FROM fenced f JOIN ops o ON o.run = f.id AND o.artifacts IS NOT NULL, LATERAL jsonb_to_recordset(o.artifacts) AS x(id uuid, path text, file_id uuid, version int)
    ON CONFLICT (run_id, path) DO UPDATE SET file_id = excluded.file_id, version = excluded.version, updated_at = now()
-- 7. Money: reservations of calls that have ended become costs.
), settled AS (
    SELECT f.id AS run_id, s.key, s.cost_usd
    FROM fenced f JOIN ops o ON o.run = f.id AND o.settle IS NOT NULL, LATERAL jsonb_to_recordset(o.settle) AS s(key text, cost_usd numeric)
), {ledger_sql.settle("settled")}
SELECT f.id, f.last_seq, f.team_id, f.status, f.last_message_seq,
    (SELECT jsonb_agg(jsonb_build_array(b.scope, b.spent_usd::text, b.limit_usd::text))
     FROM budgets b WHERE b.run_id = f.id AND b.is_warning) AS warnings
FROM fenced f
"""

# A write whose answer was lost: done already when the row still has this owner and this commit_no.
WAS_APPLIED = "SELECT id, last_seq, team_id, status, last_message_seq FROM tasks_run WHERE id = %s AND epoch = %s AND commit_no = %s"

# Of the last writes of runs, those that only a message stopped that came before them.
UNHEARD = """
SELECT r.id FROM tasks_run r JOIN unnest(%(ids)s::uuid[], %(epochs)s::int[], %(heard)s::int[]) AS o(id, epoch, heard) ON r.id = o.id
WHERE r.epoch = o.epoch AND r.status = 'running' AND r.last_message_seq > o.heard
"""

# What people said to a run after an event. Their messages belong to no step until the run takes them in.
SAID = """
SELECT seq, data ->> 'text' AS text, data ->> 'by' AS by FROM tasks_runevent
WHERE run_id = %s AND seq > %s AND type = 'message' AND data ->> 'role' = 'person' AND data -> 'step' = '0' ORDER BY seq
"""

# How often a run has waited for a time since its last settled step.
RESTS = """
SELECT count(*) AS n FROM tasks_runevent WHERE run_id = %(run)s AND type = 'run.waiting' AND data ->> 'kind' = 'timer' AND seq > COALESCE(
    (SELECT max(seq) FROM tasks_runevent WHERE run_id = %(run)s AND type IN ('model.finished', 'tool.finished')), 0)
"""

# Money before a call (`billing/ledger_sql.py`). Parameters: `ids`; and `run`, `amount`, `key`.
LOCK_BUDGETS = ledger_sql.lock_budgets("(SELECT id, team_id, agent_id FROM tasks_run WHERE id = ANY(%(ids)s))")
RESERVE = ledger_sql.reserve("(SELECT id, team_id, agent_id FROM tasks_run WHERE id = %(run)s)")

# Usage that its owner may not write any more. Parameters: `run` and the fields of a UsageWrite.
LATE_USAGE = ledger_sql.late_usage("""(
    SELECT r.team_id, r.id AS run_id, r.agent_id, a.name AS agent_label, r.task_id
    FROM tasks_run r JOIN agents_agent a ON a.id = r.agent_id WHERE r.id = %(run)s)""")

# Take up to `room` runs: queued ones in fair turns between teams, and those whose owner's lease ran out. The caller holds
# CLAIM_LOCK: two workers that count at the same time would both fill the last place of a team. Returns a row a run.
CLAIM = f"""
-- 1. Teams that have queued runs, by skipping from team to team along the index, however many runs each has.
WITH RECURSIVE teams AS (
    (SELECT team_id FROM tasks_run WHERE status = 'queued' ORDER BY team_id LIMIT 1)
    UNION ALL
    SELECT (SELECT r.team_id FROM tasks_run r WHERE r.status = 'queued' AND r.team_id > t.team_id ORDER BY r.team_id LIMIT 1)
    FROM teams t WHERE t.team_id IS NOT NULL
-- 2. How many runs each agent has running now.
), busy AS MATERIALIZED (
    SELECT team_id, agent_id, count(*) AS n FROM tasks_run WHERE status = 'running' GROUP BY 1, 2
-- 3. From each team its first runs by priority and age, no more than it has free places. Agents without one are passed over.
), offered AS (
    SELECT q.id, q.priority, q.queued_at, q.agent_id, COALESCE(b.n, 0) AS team_busy, t.team_id
    FROM teams t
    LEFT JOIN LATERAL (SELECT sum(n) AS n FROM busy WHERE busy.team_id = t.team_id) b ON true
    CROSS JOIN LATERAL (
        SELECT r.id, r.priority, r.queued_at, r.agent_id FROM tasks_run r JOIN agents_agent a ON a.id = r.agent_id
        WHERE r.team_id = t.team_id AND r.status = 'queued' AND (r.start_at IS NULL OR r.start_at <= now())
            AND a.max_concurrent_runs > COALESCE((SELECT n FROM busy WHERE busy.agent_id = r.agent_id), 0)
        ORDER BY r.priority DESC, r.queued_at
        LIMIT GREATEST(0, LEAST(%(room)s, LEAST(%(team_runs)s, {ledger_sql.running_limit("t.team_id")}) - COALESCE(b.n, 0)))
    ) q
    WHERE t.team_id IS NOT NULL
-- 4. The turn of each run: the n-th run of every team comes before the n+1st of any. Its place among those of its agent.
), ranked AS (
    SELECT o.id, o.priority, o.queued_at, a.max_concurrent_runs,
        o.team_busy + row_number() OVER (PARTITION BY o.team_id ORDER BY o.priority DESC, o.queued_at) AS turn,
        COALESCE((SELECT n FROM busy WHERE busy.agent_id = o.agent_id), 0)
            + row_number() OVER (PARTITION BY o.agent_id ORDER BY o.priority DESC, o.queued_at) AS agent_place
    FROM offered o JOIN agents_agent a ON a.id = o.agent_id
), picked AS (
    SELECT id FROM ranked WHERE agent_place <= max_concurrent_runs ORDER BY turn, priority DESC, queued_at LIMIT %(room)s
-- 5. Lock them. A row that somebody is writing at this moment is passed over: a person has just cancelled it.
), queued AS (
    SELECT id, status, worker, false AS was_let_go FROM tasks_run WHERE id = ANY(ARRAY(SELECT id FROM picked)) AND status = 'queued'
    ORDER BY array_position(ARRAY(SELECT id FROM picked), id) FOR NO KEY UPDATE SKIP LOCKED
-- 6. Runs whose lease ran out. Passed over if somebody is writing: then the owner lives.
), lost AS (
    SELECT id, status, worker, lease_expires_at = to_timestamp(0) AS was_let_go FROM tasks_run r
    WHERE status = 'running' AND lease_expires_at < now() AND (recoveries < %(suspect_after)s OR EXISTS (
        SELECT FROM tasks_step s WHERE s.run_id = r.id AND s.epoch = r.epoch AND s.status <> 'intent'))
    ORDER BY lease_expires_at LIMIT %(room)s FOR NO KEY UPDATE SKIP LOCKED
-- 7. A run that was lost several times, and whose last owner settled no step, may be what kills workers. A worker takes one
--    such suspect at a time, and the next one when this one has settled a step: those that were only lost beside it would
--    otherwise be counted down with it, death by death.
), suspect AS (
    SELECT id, status, worker, lease_expires_at = to_timestamp(0) AS was_let_go FROM tasks_run r
    WHERE status = 'running' AND lease_expires_at < now() AND recoveries >= %(suspect_after)s AND NOT EXISTS (
        SELECT FROM tasks_step s WHERE s.run_id = r.id AND s.epoch = r.epoch AND s.status <> 'intent'
    ) AND NOT EXISTS (
        SELECT FROM tasks_run h WHERE h.status = 'running' AND h.lease_expires_at >= now() AND h.worker = %(worker)s
            AND h.recoveries > %(suspect_after)s AND NOT EXISTS (
                SELECT FROM tasks_step s WHERE s.run_id = h.id AND s.epoch = h.epoch AND s.status <> 'intent'))
    ORDER BY lease_expires_at LIMIT LEAST(%(room)s, 1) FOR NO KEY UPDATE SKIP LOCKED
-- 8. Lost runs first. Each gets a new epoch, which fences off its owner before.
), mine AS (
    SELECT * FROM lost UNION ALL SELECT * FROM suspect UNION ALL SELECT * FROM queued LIMIT %(room)s
)
UPDATE tasks_run r SET
    status = 'running', status_changed_at = now(), worker = %(worker)s, epoch = r.epoch + 1, commit_no = 0, waiting_kind = '',
    lease_expires_at = now() + make_interval(secs => %(lease_s)s), started_at = COALESCE(r.started_at, now()),
    recoveries = r.recoveries + (mine.status = 'running' AND NOT mine.was_let_go)::int
FROM mine WHERE r.id = mine.id
RETURNING r.id, mine.status AS old_status, mine.worker AS old_worker, mine.was_let_go,
    r.epoch = 1 AND r.forked_from_id IS NULL AS is_new
"""

OWNED = """
SELECT clock_timestamp() AS loaded_at, r.id, r.team_id, r.agent_id, r.kind, r.title, r.prompt, r.epoch, r.recoveries, r.turns, r.active_s, r.continued_at, r.continued_at_step, r.turns_before, r.active_s_before, r.cost_usd, r.last_seq, r.last_message_seq,
    r.max_cost_usd, r.max_turns, r.timeout_s, r.review, r.output_schema, r.required_artifacts, r.metadata, r.started_at,
    a.name AS agent_name, a.role AS agent_role, a.status AS agent_status, t.name AS team_name, t.slug AS team_slug, u.email AS person,
    v.instructions, v.runtime, COALESCE(NULLIF(r.model_override, ''), v.model) AS model, r.model_override NOT IN ('', v.model) AS is_other_model, r.forked_at_step, v.tools, p.tools AS tools_now, p.options AS options_now, v.memory_enabled, v.options, v.number AS version,
    CASE WHEN r.recoveries > 0 THEN (SELECT max(epoch) FROM tasks_step s WHERE s.run_id = r.id AND s.status <> 'intent') END AS settled_epoch
FROM tasks_run r JOIN agents_agent a ON a.id = r.agent_id JOIN agents_agentversion v ON v.id = r.version_id
JOIN accounts_team t ON t.id = r.team_id LEFT JOIN accounts_user u ON u.id = r.created_by_id
LEFT JOIN agents_agentversion p ON p.id = a.version_id AND (r.forked_at_step IS NOT NULL OR r.continued_at IS NOT NULL) AND r.kind <> 'replay'
WHERE r.id = ANY(%(ids)s)
"""
PARTS_OF_NEW = ("inputs",)
"""Related rows that a run can have before any worker has driven it, unless it is a fork."""
OWNED_PARTS = {
    "steps": """
SELECT run_id, index, kind, status, attempt, call_id, tool, request, spec, result, effect_at, effect_at IS NOT NULL AS effect_began FROM tasks_step WHERE run_id = ANY(%(ids)s) ORDER BY run_id, index
""",
    "requests": """
SELECT q.run_id, q.id, q.kind, q.status, q.step_index, q.call_id, q.digest, q.arguments, q.answer, q.asked_at, q.answered_at, q.expires_at, u.email AS answered_by
FROM tasks_humanrequest q LEFT JOIN accounts_user u ON u.id = q.answered_by_id
WHERE q.run_id = ANY(%(ids)s) ORDER BY q.run_id, q.asked_at
""",
    "inputs": """
SELECT i.run_id, i.name, f.key, f.size, f.sha256, f.content_type FROM tasks_runinput i JOIN storage_storedfile f ON f.id = i.file_id
WHERE i.run_id = ANY(%(ids)s) ORDER BY i.run_id, i.name
""",
    "artifacts": """
SELECT x.run_id, x.id, x.path, x.version, f.key, f.size, f.sha256 FROM tasks_artifact x JOIN storage_storedfile f ON f.id = x.file_id
WHERE x.run_id = ANY(%(ids)s) ORDER BY x.run_id, x.path
""",
    "recordings": """
SELECT run_id, position, digest, result, artifacts FROM tasks_recording WHERE run_id = ANY(%(ids)s) ORDER BY run_id, position
""",
}

# A row that somebody writes at this moment is passed over rather than waited for, so that neither a deadlock nor one slow
# write costs the other runs their leases; it is still ours, and the next heartbeat renews it.
RENEW = """
WITH ours AS (
    SELECT r.id FROM tasks_run r JOIN unnest(%(ids)s::uuid[], %(epochs)s::int[]) AS o(id, epoch) ON r.id = o.id
    WHERE r.epoch = o.epoch AND r.status = 'running'
), free AS (
    SELECT r.id FROM tasks_run r JOIN unnest(%(ids)s::uuid[], %(epochs)s::int[]) AS o(id, epoch) ON r.id = o.id
    WHERE r.epoch = o.epoch AND r.status = 'running' FOR NO KEY UPDATE OF r SKIP LOCKED
), renewed AS (
    UPDATE tasks_run r SET lease_expires_at = now() + make_interval(secs => %(lease_s)s)
    FROM free WHERE r.id = free.id RETURNING r.id
)
SELECT ours.id, renewed.id IS NOT NULL AS is_renewed FROM ours LEFT JOIN renewed ON renewed.id = ours.id
"""

# A worker that stops without having reached a step boundary lets go: the next owner recovers the run at once. A lease that
# ended at the beginning of time says so, and CLAIM does not count it: a rolling restart makes no run a suspect.
LET_GO = """
UPDATE tasks_run r SET lease_expires_at = to_timestamp(0), status_changed_at = now()
FROM unnest(%(ids)s::uuid[], %(epochs)s::int[]) AS o(id, epoch)
WHERE r.id = o.id AND r.epoch = o.epoch AND r.status = 'running'
"""

# ---- Circuits of models. One row each, written only around failures: a call that is answered as always writes none.

CIRCUITS = "SELECT *, clock_timestamp() AS now FROM tasks_modelcircuit"

# A call failed. A failure that may be due to the one run counts once for each run in a row: a request that breaks every
# answer must not keep other runs from a model that works. What comes late, from calls that were sent before, moves the
# next probe only where the provider says so.
MODEL_FAILED = """
INSERT INTO tasks_modelcircuit AS c (provider, model, failures, failing_since, last_run, error, detail, probes)
VALUES (%(provider)s, %(model)s, 1, now(), %(run)s, %(error)s, %(detail)s, 0)
ON CONFLICT (provider, model) DO UPDATE SET
    failures = c.failures + (NOT %(is_own)s OR c.last_run IS DISTINCT FROM excluded.last_run)::int,
    failing_since = COALESCE(c.failing_since, now()), last_run = excluded.last_run, error = excluded.error, detail = excluded.detail,
    opened_at = CASE WHEN c.opened_at IS NOT NULL THEN c.opened_at
        WHEN c.failures + (NOT %(is_own)s OR c.last_run IS DISTINCT FROM excluded.last_run)::int >= %(open_after)s THEN now() END,
    retry_at = CASE
        WHEN c.probe_run = excluded.last_run THEN
            now() + make_interval(secs => greatest(least(%(most_s)s, %(first_s)s * 2 ^ least(c.probes + 1, 20)) * %(jitter)s, %(retry_after_s)s))
        WHEN c.opened_at IS NOT NULL THEN greatest(c.retry_at, now() + make_interval(secs => %(retry_after_s)s))
        ELSE now() + make_interval(secs => greatest(%(first_s)s * %(jitter)s, %(retry_after_s)s)) END,
    probes = c.probes + COALESCE(c.probe_run = excluded.last_run, false)::int,
    probe_until = CASE WHEN c.probe_run IS DISTINCT FROM excluded.last_run THEN c.probe_until END,
    probe_run = CASE WHEN c.probe_run IS DISTINCT FROM excluded.last_run THEN c.probe_run END
RETURNING *, clock_timestamp() AS now
"""

# A call was answered. One that was sent before the outage began says nothing of its end.
MODEL_ANSWERED = """
UPDATE tasks_modelcircuit SET failures = 0, failing_since = NULL, last_run = NULL, opened_at = NULL, retry_at = NULL, probes = 0,
    probe_run = NULL, probe_until = NULL, closed_at = CASE WHEN opened_at IS NULL THEN closed_at ELSE now() END
WHERE provider = %(provider)s AND model = %(model)s AND (failures > 0 OR opened_at IS NOT NULL)
    AND (opened_at IS NULL OR opened_at < %(began_at)s)
RETURNING *, clock_timestamp() AS now
"""

# One run may ask a model that is away whether it is back. Whoever dies with that leaves it to the next one.
TAKE_PROBE = """
UPDATE tasks_modelcircuit SET probe_run = %(run)s, probe_until = now() + make_interval(secs => %(probe_s)s)
WHERE provider = %(provider)s AND model = %(model)s AND opened_at IS NOT NULL AND retry_at <= now()
    AND (probe_run IS NULL OR probe_run = %(run)s OR probe_until < now() OR NOT EXISTS (
        SELECT FROM tasks_run r WHERE r.id = probe_run AND r.status IN ('queued', 'running')))
RETURNING *, clock_timestamp() AS now
"""
