"""Public pages: pricing, data protection, contact."""

from __future__ import annotations

from typing import Any

from allauth.core import ratelimit
from django import forms
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_http_methods, require_safe

from accounts.errors import Unavailable
from accounts.mail import send_mail_later
from accounts.models import User
from billing.plans import GB, PLANS, Limit, Plan
from config import errors

NOT_FOR_SEARCH = ("/t/", "/api/", "/accounts/", "/admin/", "/share/", "/home/")


class ContactForm(forms.Form):
    email = forms.EmailField(label="Your email", max_length=254)
    message = forms.CharField(max_length=4000, widget=forms.Textarea(attrs={"rows": 7}))
    website = forms.CharField(required=False)  # honeypot: invisible to people, so only a bot fills it in


@require_safe
def pricing(request: HttpRequest) -> HttpResponse:
    cards = [{"plan": plan, "includes": [_included(plan, limit) for limit in Limit]} for plan in PLANS.values()]
    rows = [(ROWS[limit], [_amount(plan, limit) for plan in PLANS.values()]) for limit in Limit]
    first = PLANS[settings.DEFAULT_PLAN]
    context = {"cards": cards, "rows": rows, "plans": PLANS.values(), "first_plan": first}
    return render(request, "public/pricing.html", context)


def _amount(plan: Plan, limit: Limit) -> str:
    included = plan.limits[limit]
    if included is None:
        return "Unlimited"
    return f"{included // GB} GB" if limit is Limit.STORAGE_BYTES else f"{included:,}"


ROWS = {
    Limit.AGENTS: "Agents",
    Limit.MONTHLY_RUNS: "Runs a month",
    Limit.SEATS: "People",
    Limit.STORAGE_BYTES: "Files",
    Limit.CONCURRENT_RUNS: "Runs at a time",
    Limit.CONCURRENT_BUILDS: "Builds at a time",
}
NOUNS = {
    Limit.AGENTS: ("agent", "agents"),
    Limit.MONTHLY_RUNS: ("run a month", "runs a month"),
    Limit.SEATS: ("person", "people"),
    Limit.STORAGE_BYTES: ("of files", "of files"),
    Limit.CONCURRENT_RUNS: ("run at a time", "runs at a time"),
    Limit.CONCURRENT_BUILDS: ("build at a time", "builds at a time"),
}


def _included(plan: Plan, limit: Limit) -> tuple[str, str]:
    one, many = NOUNS[limit]
    if limit is Limit.STORAGE_BYTES and plan.limits[limit] is None:
        return "Unlimited", "files"
    return _amount(plan, limit), one if plan.limits[limit] == 1 else many


@require_safe
def privacy(request: HttpRequest) -> HttpResponse:
    return render(request, "public/privacy.html")


@require_safe
def terms(request: HttpRequest) -> HttpResponse:
    return render(request, "public/terms.html")


@require_http_methods(["GET", "HEAD", "POST"])
def contact(request: HttpRequest) -> HttpResponse:
    """Send a message to the operators. Bots that fill in every field get the same thanks."""
    if request.method != "POST":
        person = request.user.email if isinstance(request.user, User) else ""
        asked = PLANS.get(request.GET.get("plan", ""))
        message = f"We would like the {asked.name} plan." if asked else ""
        return _contact(request, ContactForm(initial={"email": person, "message": message}))
    form = ContactForm(request.POST)
    if not form.is_valid():
        return _contact(request, form, status=422)
    if not ratelimit.consume(request, action="contact"):
        return errors.too_many(request)
    if not form.cleaned_data["website"]:
        _mail_operators(form.cleaned_data["email"], form.cleaned_data["message"], request.user)
    return redirect("contact_sent")


@require_safe
def contact_sent(request: HttpRequest) -> HttpResponse:
    return render(request, "public/contact_sent.html")


def _contact(request: HttpRequest, form: ContactForm, status: int = 200) -> HttpResponse:
    return render(request, "public/contact.html", {"form": form}, status=status)


@transaction.atomic
def _mail_operators(email: str, message: str, who: Any) -> None:
    to = [settings.CONTACT_EMAIL] if settings.CONTACT_EMAIL else _operators()
    if not to:
        raise Unavailable("Nobody reads messages here yet. The operator of this installation can change that.")
    signed_in = who.email if who.is_authenticated else ""
    context = {"email": email, "message": message, "signed_in": signed_in}
    for address in to:
        send_mail_later(to=address, template="contact", context=context, headers={"Reply-To": email})


def _operators() -> list[str]:
    return list(User.objects.filter(is_superuser=True, is_active=True).order_by("pk").values_list("email", flat=True))


@require_safe
@cache_control(public=True, max_age=3600)
def robots(request: HttpRequest) -> HttpResponse:
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in NOT_FOR_SEARCH)]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")
