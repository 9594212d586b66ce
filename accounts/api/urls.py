from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from accounts.api.audit import AuditViewSet
from accounts.api.invitations import AcceptView, InvitationViewSet
from accounts.api.keys import ApiKeyViewSet
from accounts.api.me import MeView
from accounts.api.notifications import NotificationViewSet
from accounts.api.signing_up import SignUpView, VerifyEmailView
from accounts.api.teams import MemberViewSet, TeamListViewSet, TeamOneViewSet
from accounts.api.tokens import RefreshView, RevokeView, TokenView

router = SimpleRouter(use_regex_path=False)
router.register("audit", AuditViewSet, basename="audit")
router.register("api-keys", ApiKeyViewSet, basename="api-key")

urlpatterns = [
    path("auth/sign-up/", SignUpView.as_view(), name="sign_up"),
    path("auth/verify-email/", VerifyEmailView.as_view(), name="verify_email"),
    path("auth/token/", TokenView.as_view(), name="token"),
    path("auth/token/refresh/", RefreshView.as_view(), name="token_refresh"),
    path("auth/token/revoke/", RevokeView.as_view(), name="token_revoke"),
    path("me/", MeView.as_view(), name="me"),
    path("notifications/", NotificationViewSet.as_view({"get": "list"}), name="notification-list"),
    path("notifications/read/", NotificationViewSet.as_view({"post": "mark_all"}), name="notifications-read"),
    path("notifications/<uuid:pk>/", NotificationViewSet.as_view({"get": "retrieve"}), name="notification-detail"),
    path(
        "notifications/<uuid:pk>/read/",
        NotificationViewSet.as_view({"post": "mark_read"}),
        name="notification-read",
    ),
    path("teams/", TeamListViewSet.as_view({"get": "list", "post": "create"}), name="team-list"),
    path(
        "teams/<slug:slug>/",
        TeamOneViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="team-detail",
    ),
    path("teams/<slug:slug>/dependents/", TeamOneViewSet.as_view({"get": "dependents"}), name="team-dependents"),
    path("teams/<slug:slug>/transfer/", TeamOneViewSet.as_view({"post": "transfer"}), name="team-transfer"),
    path("teams/<slug:slug>/leave/", TeamOneViewSet.as_view({"post": "leave"}), name="team-leave"),
    path("teams/<slug:slug>/members/", MemberViewSet.as_view({"get": "list"}), name="member-list"),
    path(
        "teams/<slug:slug>/members/<uuid:user_pk>/",
        MemberViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="member-detail",
    ),
    path(
        "teams/<slug:slug>/invitations/",
        InvitationViewSet.as_view({"get": "list", "post": "create"}),
        name="invitation-list",
    ),
    path(
        "teams/<slug:slug>/invitations/<uuid:invitation_pk>/",
        InvitationViewSet.as_view({"get": "retrieve", "delete": "destroy"}),
        name="invitation-detail",
    ),
    path(
        "teams/<slug:slug>/invitations/<uuid:invitation_pk>/resend/",
        InvitationViewSet.as_view({"post": "resend"}),
        name="invitation-resend",
    ),
    path("invitations/<str:token>/accept/", AcceptView.as_view(), name="invitation-accept"),
    *router.urls,
]
