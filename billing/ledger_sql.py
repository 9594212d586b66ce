"""SQL over the tables of billing: reservations, budgets and the usage ledger. The only place outside the ORM.

Constants are whole statements. Functions return a fragment, which the engine joins into a statement of its own, so that
money costs it no round trip. What a fragment works on is a relation that the caller names: ids and amounts, never a
table of an app above this one.

Order of locks: budgets by id. All budgets of a group of writes are locked at once (`lock_budgets`) before any of them is
changed.
"""

from __future__ import annotations

THIS_MONTH = "date_trunc('month', now() AT TIME ZONE 'UTC')::date"
SCOPE = "CASE WHEN b.agent_id IS NULL THEN 'team' ELSE 'agent' END"
COVERS = "r.team_id = b.team_id AND (b.agent_id IS NULL OR b.agent_id = r.agent_id)"
"""Budget `b` limits what run `r` spends: it is the team's, or that of the run's agent."""

LINE = (
    "key text, outcome text, step_key text, model text, input_tokens bigint, cache_read_tokens bigint, "
    "cache_write_tokens bigint, output_tokens bigint, cost_usd numeric, provider_id text, is_estimate bool"
)
"""Columns of one model call as JSON: the fields of the engine's UsageWrite."""


def lock_budgets(runs: str) -> str:
    """Lock every budget that covers one of the runs, in id order; return the ids of the covered runs.

    `runs` is a relation (id, team_id, agent_id). Run by run, two workers could each hold what the other wants next.
    """
    return f"""
SELECT r.id FROM billing_budget b JOIN {runs} r ON {COVERS}
ORDER BY b.id, r.id FOR UPDATE OF b
"""


def reserve(runs: str) -> str:
    """Reserve `amount` for the call `key` in every budget that covers the run, or in none.

    `runs` is a relation (id, team_id, agent_id) with the one run. `lock_budgets` has locked its budgets in the same
    transaction. Returns no row when the amount is reserved, else one: scope, spent (with reservations) and limit of the
    budget that leaves the least.
    """
    return f"""
-- 1. The budgets that cover the run. In a new month nothing is spent yet.
WITH covering AS MATERIALIZED (
    SELECT b.id, b.agent_id, b.limit_usd,
        CASE WHEN b.period = {THIS_MONTH} THEN b.spent_usd ELSE 0 END AS spent, b.reserved_usd
    FROM billing_budget b JOIN {runs} r ON {COVERS}
-- 2. Those without enough room. What other calls have reserved counts as spent.
), short AS (
    SELECT * FROM covering WHERE spent + reserved_usd + %(amount)s > limit_usd
-- 3. Only if there are none: count the amount in each, and begin the month where it is new.
), reserved AS (
    UPDATE billing_budget b SET
        reserved_usd = b.reserved_usd + %(amount)s, spent_usd = c.spent,
        warned_at = CASE WHEN b.period = {THIS_MONTH} THEN b.warned_at END,
        period = {THIS_MONTH}
    FROM covering c WHERE b.id = c.id AND NOT EXISTS (SELECT FROM short)
-- 4. One row for each budget, by which `settle` or RELEASE finds the amount again.
), noted AS (
    INSERT INTO billing_reservation (team_id, key, run_id, budget_id, amount_usd, created_at)
    SELECT b.team_id, %(key)s, %(run)s, b.id, %(amount)s, now()
    FROM billing_budget b JOIN covering c ON c.id = b.id WHERE NOT EXISTS (SELECT FROM short)
)
SELECT {SCOPE} AS scope, spent + reserved_usd AS spent, limit_usd
FROM short b ORDER BY limit_usd - spent LIMIT 1
"""


RELEASE = """
WITH freed AS (DELETE FROM billing_reservation WHERE key = ANY(%(keys)s) RETURNING budget_id, amount_usd)
UPDATE billing_budget b SET reserved_usd = b.reserved_usd - t.amount
FROM (SELECT budget_id, sum(amount_usd) AS amount FROM freed GROUP BY 1) t WHERE b.id = t.budget_id
"""
"""Undo the reservations of the calls `keys`, which were not made: their commit was fenced off."""


def record(calls: str) -> str:
    """Insert one line of the ledger for each model call. A key that has a line already keeps that line.

    `calls` is a relation (team_id, run_id, agent_id, agent_label, task_id, and the columns of LINE). An `unknown` line
    is an estimate: an attempt that has a line of any kind gets none.
    """
    return f"""
    INSERT INTO billing_usagerecord (team_id, key, kind, outcome, at, run_id, step_key, agent_id, agent_label, task_id, model,
        input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, cost_usd, provider_id, is_estimate)
    SELECT c.team_id, c.key, 'model', c.outcome, now(), c.run_id, c.step_key, c.agent_id, c.agent_label, c.task_id, c.model,
        c.input_tokens, c.cache_read_tokens, c.cache_write_tokens, c.output_tokens, c.cost_usd, c.provider_id, c.is_estimate
    FROM {calls} c
    WHERE c.outcome <> 'unknown' OR NOT EXISTS (
        SELECT FROM billing_usagerecord x WHERE x.run_id = c.run_id AND x.step_key = c.step_key)
    ON CONFLICT (key) DO NOTHING
"""


def settle(calls: str) -> str:
    """Replace reservations by real costs: the common table expressions `freed` and `budgets`.

    `calls` is a relation (run_id, key, cost_usd). `budgets` has a row for each budget that changed: run_id, scope,
    spent_usd, limit_usd, is_warning (80 % passed with this statement). A call without a reservation, because no budget
    covered it, changes nothing.
    """
    return f"""
freed AS (
    DELETE FROM billing_reservation v USING {calls} c WHERE v.key = c.key
    RETURNING c.run_id, v.budget_id, v.amount_usd, c.cost_usd
), budgets AS (
    UPDATE billing_budget b SET
        spent_usd = b.spent_usd + t.cost,
        reserved_usd = b.reserved_usd - t.amount,
        warned_at = CASE WHEN b.spent_usd + t.cost >= 0.8 * b.limit_usd THEN COALESCE(b.warned_at, now()) END
    FROM (SELECT budget_id, sum(amount_usd) AS amount, sum(cost_usd) AS cost, (array_agg(run_id))[1] AS run_id FROM freed GROUP BY 1) t
    WHERE b.id = t.budget_id
    RETURNING t.run_id, {SCOPE} AS scope, b.spent_usd, b.limit_usd, b.warned_at = now() AS is_warning
)"""


def late_usage(subject: str) -> str:
    """Record usage of an attempt whose worker may write nothing more about the run: cancelled, or its lease lost.

    Nobody pays for it, and what was reserved for it is free. `subject` is a relation (team_id, run_id, agent_id,
    agent_label, task_id) with the one run; the columns of LINE are parameters.
    """
    return f"""
-- 1. Where the next owner has noted the attempt as unknown, what is known replaces its estimate: one line an attempt.
WITH known AS (
    UPDATE billing_usagerecord u SET key = %(key)s, outcome = %(outcome)s, model = %(model)s, input_tokens = %(input_tokens)s,
        cache_read_tokens = %(cache_read_tokens)s, cache_write_tokens = %(cache_write_tokens)s,
        output_tokens = %(output_tokens)s, cost_usd = %(cost_usd)s, provider_id = %(provider_id)s, is_estimate = %(is_estimate)s
    WHERE u.run_id = %(run)s AND u.step_key = %(step_key)s AND u.outcome = 'unknown' AND %(outcome)s <> 'unknown'
        AND NOT EXISTS (SELECT FROM billing_usagerecord x WHERE x.key = %(key)s)
    RETURNING u.id
-- 2. Else a line of its own.
), late AS (
    INSERT INTO billing_usagerecord (team_id, key, kind, outcome, at, run_id, step_key, agent_id, agent_label, task_id, model,
        input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, cost_usd, provider_id, is_estimate)
    SELECT s.team_id, %(key)s, 'model', %(outcome)s, now(), s.run_id, %(step_key)s, s.agent_id, s.agent_label, s.task_id, %(model)s,
        %(input_tokens)s, %(cache_read_tokens)s, %(cache_write_tokens)s, %(output_tokens)s, %(cost_usd)s, %(provider_id)s,
        %(is_estimate)s
    FROM {subject} s WHERE NOT EXISTS (SELECT FROM known)
    ON CONFLICT (key) DO NOTHING
-- 3. Free its reservation.
), freed AS (
    DELETE FROM billing_reservation WHERE key = %(step_key)s RETURNING budget_id, amount_usd
)
UPDATE billing_budget b SET reserved_usd = b.reserved_usd - f.amount_usd FROM freed f WHERE b.id = f.budget_id
"""


def running_limit(team: str) -> str:
    """Return the expression for the concurrent runs that the plan of `team` allows; NULL for no limit.

    `team` is an expression for a team's id; `plan_runs` is a parameter, `entitlements.running_limits()` as JSON.
    """
    return f"(%(plan_runs)s::jsonb ->> (SELECT p.plan FROM billing_teamplan p WHERE p.team_id = {team}))::int"
