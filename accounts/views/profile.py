"""Settings page of the person's profile."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from accounts.errors import AppError
from accounts.forms import ProfileForm, add_refusal
from accounts.services import people
from accounts.tenancy import TeamRequest, membership_required


@require_safe
@membership_required
def settings_home(request: TeamRequest) -> HttpResponse:
    return redirect("accounts:profile", team=request.team.slug)


@require_http_methods(["GET", "HEAD", "POST"])
@membership_required
def profile(request: TeamRequest) -> HttpResponse:
    user = request.user
    form = ProfileForm(request.POST or None, initial={"name": user.name, "hue": user.hue})
    if request.method == "POST" and form.is_valid():
        try:
            people.update_profile(user=user, name=form.cleaned_data["name"], hue=form.cleaned_data["hue"] or None)
        except AppError as error:
            add_refusal(form, error)
        else:
            messages.success(request, "Your profile is saved.")
            return redirect("accounts:profile", team=request.team.slug)
    context = {"form": form, "hues": people.HUES}
    return render(request, "accounts/profile.html", context, status=422 if form.errors else 200)
