from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from accounts.api.keys import ApiKeyViewSet
from accounts.api.me import MeView
from accounts.api.signing_up import SignUpView, VerifyEmailView
from accounts.api.tokens import RefreshView, TokenView

router = SimpleRouter(use_regex_path=False)
router.register("api-keys", ApiKeyViewSet, basename="api-key")

urlpatterns = [
    path("auth/sign-up/", SignUpView.as_view(), name="sign_up"),
    path("auth/verify-email/", VerifyEmailView.as_view(), name="verify_email"),
    path("auth/token/", TokenView.as_view(), name="token"),
    path("auth/token/refresh/", RefreshView.as_view(), name="token_refresh"),
    path("me/", MeView.as_view(), name="me"),
    *router.urls,
]
