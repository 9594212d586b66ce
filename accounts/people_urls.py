"""Addresses of a person outside any team."""

from __future__ import annotations

from django.urls import path

from accounts.views import joining, team

app_name = "people"
urlpatterns = [
    path("teams/new/", team.team_new, name="team_new"),
    path("invitations/", joining.invitation, name="invitation"),
    path("invitations/<str:token>/", joining.invitation_open, name="invitation_open"),
]
