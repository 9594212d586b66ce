from __future__ import annotations

from django.urls import path

from billing import views

app_name = "billing"
urlpatterns = [path("settings/plan/", views.plan, name="plan")]
