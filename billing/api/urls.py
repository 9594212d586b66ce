from __future__ import annotations

from django.urls import path

from billing.api.plans import PlansView, UsageView

urlpatterns = [
    path("billing/plans/", PlansView.as_view(), name="billing-plans"),
    path("billing/usage/", UsageView.as_view(), name="billing-usage"),
]
