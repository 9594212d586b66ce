"""Read-only links to a run: creating and revoking them, and the pages behind them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.errors import NotFound
from accounts.services import rates
from accounts.tenancy import TeamRequest, require, team_required
from storage.downloads import download
from tasks.models import Run, RunShare
from tasks.run_page.page import RunPage
from tasks.services import shares
from tasks.views import artifacts, live
from tasks.views.common import page_context, run_or_404, state_context

P = ParamSpec("P")
ON_PAGE = 50


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def run_share(request: TeamRequest, run_id: UUID) -> HttpResponse:
    """List the run's links, or create one on POST. Only that response ever shows the link."""
    run = run_or_404(request, run_id)
    require(request, "runs:write")
    link = ""
    if request.method == "POST":
        _, token = shares.share_run(run=run, actor=request.user)
        link = settings.BASE_URL + reverse("shares:run", kwargs={"token": token})
    live_links = (
        RunShare.objects.visible_to(request.access).filter(run=run, revoked_at=None).select_related("created_by")
    )
    context = {"run": run, "link": link, "shares": live_links.order_by("-created_at")}
    part = request.headers.get("HX-Request")
    return render(request, "tasks/_share.html" if part else "tasks/run_share.html", context)


@require_POST
@team_required
def share_revoke(request: TeamRequest, run_id: UUID, share_id: UUID) -> HttpResponse:
    require(request, "runs:write")
    mine = RunShare.objects.visible_to(request.access).select_related("run", "team")
    share = get_object_or_404(mine, pk=share_id, run_id=run_id)
    shares.revoke_share(share=share, actor=request.user)
    if not request.headers.get("HX-Request"):
        messages.success(request, "The link is closed.")
    return redirect("tasks:run_share", team=request.team.slug, run_id=run_id)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def shared_links(request: TeamRequest) -> HttpResponse:
    """List the team's open links with their makers. A POST closes those of people who left."""
    require(request, "team:admin")
    if request.method == "POST":
        closed = shares.close_links_of_leavers(team=request.team, actor=request.user)
        messages.success(request, "The link is closed." if closed == 1 else f"{closed} links are closed.")
        return redirect("tasks:shared_links", team=request.team.slug)
    links = RunShare.objects.visible_to(request.access).open()
    rows = links.select_related("run__agent", "created_by").order_by("-created_at")
    page = Paginator(rows, ON_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "left": links.of_leavers().count()}
    return render(request, "tasks/shared_links.html", context)


@require_POST
@team_required
def shared_link_close(request: TeamRequest, share_id: UUID) -> HttpResponse:
    require(request, "team:admin")
    links = RunShare.objects.visible_to(request.access).open().select_related("run", "team")
    shares.revoke_share(share=get_object_or_404(links, pk=share_id), actor=request.user)
    messages.success(request, "The link is closed.")
    return redirect("tasks:shared_links", team=request.team.slug)


# ---- Pages for anyone with a link


def shared(view: Callable[Concatenate[HttpRequest, Run, P], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Decorate a view of the run behind a link.

    A wrong or revoked link gets 404; responses are neither indexed nor cached.
    """

    @require_safe
    @functools.wraps(view)
    def wrapped(request: HttpRequest, token: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        rates.require("share", f"address:{rates.address_of(request)}")
        run = shares.shared_run(token)
        if run is None:
            raise NotFound("This link leads nowhere. It may have been revoked; ask whoever sent it for a new one.")
        response = view(request, run, *args, **kwargs)
        response["X-Robots-Tag"] = "noindex, nofollow"
        response["Referrer-Policy"] = "no-referrer"
        add_never_cache_headers(response)
        return response

    return wrapped


def _page(run: Run) -> RunPage:
    return RunPage(run, may_act=False)


@shared
def shared_run(request: HttpRequest, run: Run) -> HttpResponse:
    token = request.resolver_match.kwargs["token"] if request.resolver_match else ""
    context = page_context(request, _page(run), socket=f"/ws/share/{token}/")
    return render(request, "tasks/share_run.html", context)


@shared
def shared_state(request: HttpRequest, run: Run) -> HttpResponse:
    return live.stamped(render(request, "tasks/_run_state.html", state_context(_page(run))), run)


@shared
def shared_history(request: HttpRequest, run: Run) -> HttpResponse:
    return live.earlier(request, run)


@shared
def shared_frames(request: HttpRequest, run: Run) -> HttpResponse:
    return live.frames(request, run, is_public=True)


@shared
def shared_log(request: HttpRequest, run: Run) -> HttpResponse:
    return live.log(request, run, is_public=True)


@shared
def shared_timeline(request: HttpRequest, run: Run) -> HttpResponse:
    return live.draw_timeline(request, run)


@shared
def shared_artifact(request: HttpRequest, run: Run, artifact_id: UUID) -> HttpResponse:
    return artifacts.show(request, _page(run), artifacts.artifact_of(run, artifact_id))


@shared
def shared_artifact_raw(request: HttpRequest, run: Run, artifact_id: UUID) -> HttpResponseBase:
    return artifacts.inline(artifacts.artifact_of(run, artifact_id), request)


@shared
def shared_artifact_download(request: HttpRequest, run: Run, artifact_id: UUID) -> HttpResponseBase:
    return download(artifacts.artifact_of(run, artifact_id).file, request)
