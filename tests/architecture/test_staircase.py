"""Foreign keys follow the order of the apps, as imports do (import-linter checks those)."""

from __future__ import annotations

import re

from django.apps import apps

from tests.architecture.code import APPS, ROOT, modules, stair_of


def test_foreign_keys_only_go_down():
    relations = [
        (model._meta, field.name, field.related_model._meta)
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label in APPS
        for field in model._meta.get_fields()
        if field.is_relation and not field.auto_created and field.related_model
    ]

    up = [
        f"{source.label}.{name} → {target.label}"
        for source, name, target in relations
        if target.app_label in APPS
        and source.app_label != target.app_label
        and stair_of(target.app_label) >= stair_of(source.app_label)
    ]

    assert len(relations) > 20
    assert up == []


def test_what_outlives_its_subject_has_no_foreign_key_to_it():
    """Check the usage ledger and the audit log. They name runs and agents by type, id and label."""
    kept = {"UsageRecord": {"Team"}, "AuditEntry": {"Team", "User"}}

    found = {
        model.__name__: {field.related_model.__name__ for field in model._meta.get_fields() if field.many_to_one}
        for model in apps.get_models()
        if model.__name__ in kept
    }

    assert found == kept


def _named_tables() -> list[tuple[str, str, str]]:
    """(path, app of the path, app of the table) for each table that production code names in a string."""
    tables = {m._meta.db_table: m._meta.app_label for m in apps.get_models() if m._meta.app_label in APPS}
    pattern = re.compile(rf"\b({'|'.join(tables)})\b")
    return [
        (path.as_posix(), path.parts[0], tables[table])
        for path in modules()
        for table in pattern.findall((ROOT / path).read_text())
    ]


def test_sql_names_no_table_of_an_app_above():
    named = _named_tables()

    assert len(named) > 40
    assert [where for where, app, owner in named if stair_of(owner) > stair_of(app)] == []


def test_only_billing_names_tables_of_money():
    """Reserving, settling and recording usage have one home: billing/ledger_sql.py."""
    named = {where for where, _, owner in _named_tables() if owner == "billing"}

    assert named == {"billing/ledger_sql.py"}
