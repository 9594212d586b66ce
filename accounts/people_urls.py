"""URLs of a person outside any team."""

from __future__ import annotations

from django.urls import path

from accounts.views import accept_invitation, team

app_name = "people"
urlpatterns = [
    path("teams/new/", team.team_new, name="team_new"),
    path("invitations/", accept_invitation.invitation, name="invitation"),
    path("invitations/<str:token>/", accept_invitation.invitation_open, name="invitation_open"),
]
