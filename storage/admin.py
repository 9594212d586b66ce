"""Admin pages of files and uploads, for operators. They show metadata, never content."""

from __future__ import annotations

from django.contrib import admin

from accounts.admin_base import ReadOnlyAdmin
from storage.models import StoredFile, Upload


@admin.register(StoredFile)
class StoredFileAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "team", "name", "size", "content_type", "expires_at"]
    list_filter = ["content_type", "created_at"]
    list_select_related = ["team"]
    search_fields = ["id", "name", "key", "sha256", "team__slug"]


@admin.register(Upload)
class UploadAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "team", "name", "size", "created_by", "expires_at"]
    list_select_related = ["team", "created_by"]
    search_fields = ["id", "name", "key", "sha256", "team__slug"]
