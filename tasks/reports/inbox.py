"""List of requests in the inbox: filters, order, pages, and the neighbours of a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Count, Q, QuerySet, Value
from django.db.models.functions import Coalesce, Now

from accounts.models import User
from accounts.tenancy import Access
from tasks.models import HumanRequest, RequestStatus
from tasks.request_kinds import KINDS

PAGE = 50
NEVER = datetime(9999, 12, 31, tzinfo=UTC)
SOON = timedelta(hours=1)
TODAY = timedelta(hours=24)
GROUPS = {"hour": "Expires within the hour", "day": "Within 24 hours", "later": "Later"}
SHOWN = ("open", "mine", "done")
WITH = ("run__agent", "run__created_by", "run__team", "answered_by")
Requests = QuerySet[Any]
"""Requests with `due`, by which they are ordered, and `now`."""


@dataclass(frozen=True, slots=True)
class InboxQuery:
    """Filters of the list, as they stand in the address of the page."""

    show: str = "open"
    kind: str = ""
    agent: str = ""
    q: str = ""

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Self:
        """Read the query string. A value that cannot be read is left out."""
        show, kind, agent = (given.get(name, "") for name in ("show", "kind", "agent"))
        return cls(
            show if show in SHOWN else "open",
            kind if kind in KINDS else "",
            str(agent_id) if (agent_id := uuid_of(agent)) else "",
            given.get("q", "").replace("\x00", "").strip()[:100],
        )

    @property
    def is_done(self) -> bool:
        return self.show == "done"

    @property
    def is_filtered(self) -> bool:
        return bool(self.kind or self.agent or self.q)

    @property
    def address(self) -> str:
        """Query string with what differs from the plain inbox."""
        return urlencode({name: value for name, value in asdict(self).items() if value and value != "open"})

    def find(self, access: Access, viewer: User) -> Requests:
        """Find the requests, first to expire first; closed ones by when they were closed, newest first."""
        found: Any = HumanRequest.objects.visible_to(access).select_related(*WITH).annotate(now=Now())
        if self.is_done:
            found = found.exclude(status=RequestStatus.OPEN)
            found = found.annotate(due=Coalesce("answered_at", "expires_at", "asked_at"))
        else:
            found = found.open().annotate(due=Coalesce("expires_at", Value(NEVER)))
        if self.show == "mine":
            found = found.filter(run__created_by=viewer)
        if self.kind:
            found = found.filter(kind=self.kind)
        if self.agent:
            found = found.filter(run__agent_id=UUID(self.agent))
        for word in self.q.split():
            words = Q(title__icontains=word) | Q(run__title__icontains=word) | Q(run__agent__name__icontains=word)
            found = found.filter(words)
        ordered: Requests = found.order_by("-due", "-pk") if self.is_done else found.order_by("due", "pk")
        return ordered

    def after(self, found: Requests, row: HumanRequest) -> Requests:
        return found.filter(self._side(row, "lt" if self.is_done else "gt"))

    def before(self, found: Requests, row: HumanRequest) -> Requests:
        return found.filter(self._side(row, "gt" if self.is_done else "lt"))

    def _side(self, row: HumanRequest, side: Literal["lt", "gt"]) -> Q:
        closed_at = row.answered_at or row.expires_at or row.asked_at
        due = closed_at if self.is_done else row.expires_at or NEVER
        return Q(**{f"due__{side}": due}) | Q(due=due, **{f"pk__{side}": row.pk})


@dataclass(frozen=True, slots=True)
class InboxPage:
    """Page of the list, and where the pages beside it begin (`?after=ID`; "" is the first)."""

    query: InboxQuery
    found: Requests
    rows: list[HumanRequest]
    total: int
    start: int
    earlier: UUID | Literal[""] | None
    later: UUID | None

    @property
    def end(self) -> int:
        return self.start + len(self.rows)

    def place(self, asked: HumanRequest) -> int | None:
        """Return the number of the request in the whole list, from 1; None when it is not in it."""
        if not self.found.filter(pk=asked.pk).exists():
            return None
        return self.query.before(self.found, asked).count() + 1

    def next(self, asked: HumanRequest) -> HumanRequest | None:
        return self.query.after(self.found, asked).first()

    def previous(self, asked: HumanRequest) -> HumanRequest | None:
        return self.query.before(self.found, asked).reverse().first()


def page_of_inbox(
    query: InboxQuery, access: Access, viewer: User, *, after: str, asked: HumanRequest | None
) -> InboxPage:
    """Return the page that begins after a request, or with the open one where that page does not have it."""
    found = query.find(access, viewer)
    marked = uuid_of(after)
    mark = HumanRequest.objects.visible_to(access).filter(pk=marked).first() if marked else None
    rows = list((query.after(found, mark) if mark else found)[: PAGE + 1])
    if asked and asked.pk not in {row.pk for row in rows[:PAGE]} and found.filter(pk=asked.pk).exists():
        rows = [found.get(pk=asked.pk), *query.after(found, asked)[:PAGE]]
    start = query.before(found, rows[0]).count() if rows else 0
    later = rows[PAGE - 1].pk if len(rows) > PAGE else None
    return InboxPage(query, found, rows[:PAGE], found.count(), start, _earlier(query, found, rows, start), later)


def _earlier(query: InboxQuery, found: Requests, rows: list[HumanRequest], start: int) -> UUID | Literal[""] | None:
    if not start:
        return None
    before = list(query.before(found, rows[0]).reverse()[PAGE : PAGE + 1])
    return before[0].pk if before else ""


def group_of(row: HumanRequest) -> str:
    """Return the group of a row by the time left, by the clock of the database (`now`)."""
    left = row.expires_at - row.now if row.expires_at else TODAY * 2  # type: ignore[attr-defined]
    return "hour" if left <= SOON else "day" if left <= TODAY else "later"


def group_counts(found: Requests) -> dict[str, int]:
    hour, day = Q(expires_at__lte=Now() + SOON), Q(expires_at__lte=Now() + TODAY)
    counted = found.order_by().aggregate(hour=Count("pk", filter=hour), upto=Count("pk", filter=day), every=Count("pk"))
    upto = counted["upto"]
    return {"hour": counted["hour"], "day": upto - counted["hour"], "later": counted["every"] - upto}


def uuid_of(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
