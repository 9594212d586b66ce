"""Base classes of the admin pages: read-only rows, and changes that go into the audit log."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest

from accounts import audit
from accounts.errors import AppError
from accounts.models import Team, User

M = TypeVar("M", bound=Model)


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Read-only admin page. Rows change only through actions, which call services."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def each(request: HttpRequest, rows: Iterable[M], act: Callable[[M], object], done: str) -> None:
    """Call `act` for each row. One message counts the successes, and each refusal has its own."""
    count = 0
    for row in rows:
        try:
            act(row)
            count += 1
        except AppError as error:
            messages.error(request, f"{row}: {error.detail}")
    if count:
        messages.success(request, f"{count} {done}.")


class AuditedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Record forms of operators in the audit log of each team that they touch.

    It happens in the same transaction. Actions are recorded by the services that they call.
    """

    @transaction.atomic
    def response_action(self, *args: Any, **kwargs: Any) -> Any:
        """Run a bulk action, with its audit entries, in one transaction."""
        return super().response_action(*args, **kwargs)

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """Return the message for Django's log. The old and new values are noted for the audit log."""
        before, after = form.initial, {name: form.cleaned_data[name] for name in form.changed_data}
        request.changed_values = {} if add else audit.diff(before, after)  # type: ignore[attr-defined]
        return super().construct_change_message(request, form, formsets, add)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        record_operator_change(request, obj, "added", message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        record_operator_change(request, obj, "changed", message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for obj in queryset:
            record_operator_change(request, obj, "deleted", [])
        return super().log_deletions(request, queryset)


def record_operator_change(request: HttpRequest, obj: Model, what: str, message: Any) -> None:
    """Append an entry to the audit log of each team that the row belongs to.

    A row of no team is only in Django's own admin log.
    """
    operator: Any = request.user
    name = f"operator.{what}_{obj._meta.model_name}"
    data = {"changes": message, **(getattr(request, "changed_values", {}) if what == "changed" else {})}
    if isinstance(obj, User):
        audit.record_person(person=obj, actor=operator, action=name, **data)
    elif team := obj if isinstance(obj, Team) else getattr(obj, "team", None):
        audit.record(team=team, actor=operator, action=name, target=obj, **data)
    elif isinstance(person := getattr(obj, "user", None), User):
        audit.record_person(person=person, actor=operator, action=name, row=str(obj), **data)
