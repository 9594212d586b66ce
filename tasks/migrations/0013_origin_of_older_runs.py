from __future__ import annotations

from typing import Any

from django.db import migrations

# The audit log says how each run was started: by an API key, from an address (a page), or neither (seeds, the terminal).
BACKFILL = """
UPDATE tasks_run r SET origin = CASE
    WHEN a.actor_label LIKE '% by key %' THEN 'api'
    WHEN a.address <> '' THEN 'page'
    WHEN r.metadata ? 'demo_run' THEN 'seed'
    ELSE '' END
FROM accounts_auditentry a
WHERE a.action = 'run.started' AND a.subject_type = 'run' AND a.subject_id = r.id::text AND r.origin = ''
"""


def backfill(apps: Any, schema_editor: Any) -> None:
    """Fill in the origin of runs that are older than the column; it stays empty where nothing tells."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(BACKFILL)


class Migration(migrations.Migration):
    dependencies = [("tasks", "0012_parent_and_origin")]

    operations = [migrations.RunPython(backfill, migrations.RunPython.noop)]
