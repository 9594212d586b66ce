"""Admin pages: operators can see the rows of every model."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib import admin
from django.urls import reverse

from tests.architecture.code import APPS


def test_every_model_is_in_the_admin():
    ours = {model for model in apps.get_models() if model._meta.app_label in APPS}

    assert {model._meta.label for model in ours - set(admin.site._registry)} == set()


@pytest.mark.django_db
def test_the_admin_is_closed_to_who_is_not_staff(client, charlie):
    client.force_login(charlie)
    lists = [
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") for model in admin.site._registry
    ]

    answers = {path: client.get(path) for path in ["/admin/", *lists]}

    assert len(lists) > 20
    assert [
        path for path, answer in answers.items() if not answer.headers.get("Location", "").startswith("/admin/login/")
    ] == []
