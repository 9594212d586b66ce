from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from accounts.api.keys import ApiKeyViewSet
from accounts.api.me import MeView

router = SimpleRouter(use_regex_path=False)
router.register("api-keys", ApiKeyViewSet, basename="api-key")

urlpatterns = [path("me/", MeView.as_view(), name="me"), *router.urls]
