"""SQL that is compiled once in a process; only its values change from call to call.

Django takes longer to compile a queryset or an insert than PostgreSQL takes to run it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from itertools import groupby
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.models import Expression, Field, Model, QuerySet, prefetch_related_objects
from django.db.models.expressions import DatabaseDefault
from django.db.models.functions import Now
from django.db.models.query import get_related_populators

M = TypeVar("M", bound=Model)


class Param(Expression):
    """Placeholder in a prepared queryset for a value that each call passes."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        return "%s", (self,)


class PreparedQuery(Generic[M]):
    """Queryset that is compiled once. `build` is called once and puts `Param("name")` where the values of a call go."""

    def __init__(self, build: Callable[[], QuerySet[M]]) -> None:
        self._build = build
        self._plan: _Plan[M] | None = None

    def all(self, **given: Any) -> list[M]:
        plan = self._plan = self._plan or _Plan(self._build())
        return plan.rows(given)

    def first(self, **given: Any) -> M | None:
        return next(iter(self.all(**given)), None)


class _Plan(Generic[M]):
    """Compiled query: what `ModelIterable` computes anew for each queryset."""

    def __init__(self, queryset: QuerySet[M]) -> None:
        compiler = queryset.query.get_compiler(using=DEFAULT_DB_ALIAS)
        self._sql, self._parameters = compiler.as_sql()
        select: Any = compiler.select
        shape: Any = compiler.klass_info
        self._model: type[M] = shape["model"]
        self._end = shape["select_fields"][-1] + 1
        self._names = [column[0].target.attname for column in select[: self._end]]
        self._related = get_related_populators(shape, select, DEFAULT_DB_ALIAS)  # type: ignore[call-arg]
        self._more: dict[str, int] = compiler.annotation_col_map or {}
        self._converters = compiler.get_converters([column[0] for column in select])
        self._prefetched: Sequence[Any] = queryset._prefetch_related_lookups  # type: ignore[attr-defined]

    def rows(self, given: dict[str, Any]) -> list[M]:
        values = [given[part.name] if isinstance(part, Param) else part for part in self._parameters]
        ours = connections[DEFAULT_DB_ALIAS]
        with _cursor(ours) as cursor:
            cursor.execute(self._sql, values)
            found = [self._row(list(columns), ours) for columns in cursor.fetchall()]
        if self._prefetched:
            prefetch_related_objects(found, *self._prefetched)
        return found

    def _row(self, columns: list[Any], ours: BaseDatabaseWrapper) -> M:
        for place, (converters, expression) in self._converters.items():
            for convert in converters:
                columns[place] = convert(columns[place], expression, ours)
        row = self._model.from_db(DEFAULT_DB_ALIAS, self._names, columns[: self._end])
        for related in self._related:
            related.populate(columns, row)
        for name, place in self._more.items():
            setattr(row, name, columns[place])
        return row


def _cursor(ours: BaseDatabaseWrapper) -> Any:
    """Return a cursor that sends values apart from the statement, so that PostgreSQL keeps its plan.

    Django's default cursor puts the values into it.
    """
    ours.ensure_connection()
    return ours._prepare_cursor(ServerBindingCursor(ours.connection))  # type: ignore[attr-defined, call-arg]


def insert(*rows: Model) -> None:
    """Insert the rows, all models in one statement.

    A foreign key may name a row of the same statement. Keys that the database generates are not read back, and no
    signal is sent.
    """
    given: list[Any] = []
    ours = connections[DEFAULT_DB_ALIAS]  # looked up once: the shared proxy does so at each use
    shape = tuple((model, tuple(_cells(row, given, ours) for row in same)) for model, same in groupby(rows, key=type))
    with _cursor(ours) as cursor:
        cursor.execute(_insert_sql(shape), given)
    for row in rows:
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


@cache
def _columns(model: type[Model]) -> list[Field[Any, Any]]:
    return [field for field in model._meta.local_concrete_fields if not field.db_returning or field.has_db_default()]


def _cells(row: Model, given: list[Any], ours: BaseDatabaseWrapper) -> tuple[str, ...]:
    """Return the SQL of each column of the row. Values that are sent as parameters are appended to `given`."""
    cells = []
    for field in _columns(type(row)):
        value = field.pre_save(row, True)
        if value is not None:
            value = field.get_db_prep_save(value, ours)
        written = _sql_literal(value)
        if written is None:
            given.append(value)
        cells.append(written or "%s")
    return tuple(cells)


def _sql_literal(value: Any) -> str | None:
    """Return the SQL literal of a value, or None if it must be a parameter.

    Sending a value costs more, and many fields of a new row are empty. The driver caches the translation of a
    statement only up to fifty parameters.
    """
    if value is None:
        return "NULL"
    if isinstance(value, Now):
        return "statement_timestamp()"
    if isinstance(value, DatabaseDefault):
        return "DEFAULT"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):  # includes the driver's own integer types
        return None if value else "0"
    return "''" if isinstance(value, str) and not value else None


@lru_cache(maxsize=200)
def _insert_sql(shape: tuple[tuple[type[Model], tuple[tuple[str, ...], ...]], ...]) -> str:
    *before, last = (_insert_of(model, rows) for model, rows in shape)
    named = ", ".join(f"part{number} AS ({sql})" for number, sql in enumerate(before))
    return f"WITH {named} {last}" if named else last


def _insert_of(model: type[Model], rows: tuple[tuple[str, ...], ...]) -> str:
    quote = connections[DEFAULT_DB_ALIAS].ops.quote_name
    names = ", ".join(quote(str(field.column)) for field in _columns(model))
    values = ", ".join(f"({', '.join(cells)})" for cells in rows)
    return f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES {values}"  # noqa: S608 - no value of a caller


def prime_relation(row: Model, name: str, rows: list[Any]) -> None:
    """Fill the cache of a row's reverse relation, as a prefetch does. Reading it then runs no query."""
    known = getattr(row, name).all()
    known._result_cache, known._prefetch_done = rows, True
    row.__dict__.setdefault("_prefetched_objects_cache", {})[name] = known
