"""Admin pages for people and teams. History can be read there, not changed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from allauth.account.admin import EmailAddressAdmin
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import get_text_list

from accounts import audit, mail
from accounts.admin_base import AuditedAdmin, ReadOnlyAdmin, each
from accounts.entry_forms import PersonForm
from accounts.models import (
    ApiKey,
    AuditEntry,
    AuditHead,
    IdempotencyRecord,
    Invitation,
    KnownAddress,
    MailStatus,
    Membership,
    Notification,
    OutgoingMail,
    PeriodicJob,
    Team,
    TokenFamily,
    User,
)
from accounts.services import credentials, deletion, keys, members, teams, tokens


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]
    """Read-only list of members. Each row links to its own page, which changes it through the services."""

    model = Membership
    extra = 0
    show_change_link = True
    fields = ["user", "role", "created_at"]
    readonly_fields = ["user", "role", "created_at"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AccountForm(UserChangeForm):  # type: ignore[type-arg]
    def clean_is_active(self) -> bool:
        """Refuse to deactivate the last owner of a team in which others work."""
        is_active = bool(self.cleaned_data["is_active"])
        if self.instance.is_active and not is_active:
            teams = get_text_list([team.name for team in members.owned_by_nobody_without(self.instance)], "and")
            if teams:
                raise ValidationError(
                    f"Others work in {teams} and would have no owner who can sign in. Make one of "
                    "them an owner first (Memberships in the admin), or let an owner delete the team."
                )
        return is_active


@admin.register(User)
class UserAdmin(AuditedAdmin, DjangoUserAdmin):  # type: ignore[type-arg]
    form = AccountForm
    add_form = PersonForm
    ordering = ["email"]
    list_display = ["email", "name", "is_active", "is_staff", "date_joined", "last_login"]
    list_filter = ["is_active", "is_staff", "date_joined"]
    search_fields = ["email", "name"]
    filter_horizontal = []
    actions = ["send_test_mail"]
    fieldsets = [
        (None, {"fields": ["email", "password", "name", "hue"]}),
        ("Access", {"fields": ["is_active", "is_staff", "is_superuser"]}),
        ("Dates", {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [(None, {"fields": ["email", "usable_password", "password1", "password2"]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Make the address of an existing account read-only: only its owner can prove a new one."""
        return ["last_login", "date_joined", *(["email"] if obj else [])]

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Save the account.

        A new one gets a verified address and a personal team; a deactivated one loses its access.
        """
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            if not obj.is_active:
                operator: Any = request.user
                credentials.end_access(obj, actor=operator)
            if not change:
                EmailAddress.objects.create(user=obj, email=obj.email, verified=True, primary=True)
                teams.create_personal_team(owner=obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, set[str], list[str]]:
        """Ignore missing delete permissions on the person's own rows, such as notifications and tokens."""
        shown, counts, _, protected = super().get_deleted_objects(objs, request)
        return shown, counts, set(), protected

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        operator: Any = request.user
        deletion.remove_people(people=[obj], actor=operator)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        operator: Any = request.user
        deletion.remove_people(people=list(queryset), actor=operator)

    @admin.action(description="Send a test mail")
    def send_test_mail(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        sender = {"sender": str(request.user)}
        each(
            request,
            queryset,
            lambda person: mail.send_mail_later(to=person.email, template="test", context=sender),
            "test mails on their way",
        )


# Allauth's own lists show secrets, or would let apps be set up beside the settings. They must be there to be removed.
for app in ("mfa", "socialaccount", "usersessions"):
    import_module(f"allauth.{app}.admin")
admin.site.unregister([Authenticator, EmailAddress, SocialAccount, SocialApp, SocialToken, UserSession])


@admin.register(EmailAddress)
class PersonsAddressAdmin(AuditedAdmin, EmailAddressAdmin):  # type: ignore[misc]
    """allauth's admin page for addresses, with its changes in the audit log."""


@admin.register(Authenticator)
class PersonsFactorAdmin(AuditedAdmin, ReadOnlyAdmin):
    """Second factors. Operators delete the rows of a person who lost all of them and proved who they are."""

    list_display = ["user", "type", "created_at", "last_used_at"]
    list_filter = ["type"]
    list_select_related = ["user"]
    search_fields = ["user__email"]
    exclude = ["data"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True


@admin.register(SocialAccount)
class PersonsIdentityAdmin(AuditedAdmin, ReadOnlyAdmin):
    list_display = ["user", "provider", "uid", "date_joined", "last_login"]
    list_filter = ["provider"]
    list_select_related = ["user"]
    search_fields = ["user__email", "uid"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True


@admin.register(UserSession)
class PersonsSessionAdmin(ReadOnlyAdmin):
    list_display = ["user", "ip", "user_agent", "created_at", "last_seen_at"]
    list_select_related = ["user"]
    search_fields = ["user__email", "ip"]
    exclude = ["session_key", "data"]


@admin.register(Team)
class TeamAdmin(AuditedAdmin):
    list_display = ["name", "slug", "is_personal", "created_at"]
    list_filter = ["is_personal", "created_at"]
    search_fields = ["name", "slug", "email"]
    readonly_fields = ["created_at", "removed_at"]
    inlines = [MembershipInline]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Team | None = None) -> bool:
        return False


@admin.register(Membership)
class MembershipAdmin(AuditedAdmin):
    """Memberships, changed through the services: they keep an owner, count seats and revoke keys and invitations."""

    list_display = ["user", "team", "role", "created_at"]
    list_filter = ["role"]
    list_select_related = ["user", "team"]
    search_fields = ["user__email", "team__name", "team__slug"]
    autocomplete_fields = ["user", "team"]
    fields = ["team", "user", "role"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["team", "user"] if obj else []

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        operator: Any = request.user
        if change:
            members.change_role(team=obj.team, actor=operator, user=obj.user, role=obj.role, is_operator=True)
        else:
            obj.pk = members.add_member(team=obj.team, user=obj.user, role=obj.role, actor=operator).pk

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        operator: Any = request.user
        members.remove_member(team=obj.team, actor=operator, user=obj.user, is_operator=True)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        """Remove all of the members, or none if one cannot be removed."""
        with transaction.atomic():
            for membership in queryset:
                self.delete_model(request, membership)


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    list_display = ["email", "team", "role", "status", "invited_by", "sent_at", "expires_at"]
    list_filter = ["role", "sent_at"]
    list_select_related = ["team", "invited_by"]
    search_fields = ["email", "team__name", "team__slug"]
    exclude = ["token_sha256"]


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_display = ["name", "prefix", "team", "created_by", "last_used_at", "expires_at", "revoked_at"]
    list_filter = ["revoked_at", "created_at"]
    list_select_related = ["team", "created_by"]
    search_fields = ["name", "prefix", "team__name"]
    exclude = ["secret_sha256"]
    actions = ["revoke"]

    @admin.action(description="Revoke")
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        operator: Any = request.user
        each(request, queryset, lambda key: keys.revoke_key(key=key, actor=operator), "revoked")


@admin.register(TokenFamily)
class TokenFamilyAdmin(ReadOnlyAdmin):
    list_display = ["user", "user_agent", "created_at", "last_used_at", "expires_at", "revoked_at"]
    list_filter = ["revoked_at", "created_at"]
    list_select_related = ["user"]
    search_fields = ["user__email", "user_agent"]
    exclude = ["current", "session_hash"]
    actions = ["revoke"]

    @admin.action(description="Revoke")
    def revoke(self, request: HttpRequest, queryset: QuerySet[TokenFamily]) -> None:
        operator: Any = request.user

        @transaction.atomic
        def revoke(family: TokenFamily) -> None:
            tokens.revoke_family(family_id=family.pk)
            audit.record_person(person=family.user, actor=operator, action="session.ended", count=1)

        each(request, queryset, revoke, "revoked")


@admin.register(KnownAddress)
class KnownAddressAdmin(ReadOnlyAdmin):
    list_display = ["user", "address", "last_used_at"]
    list_select_related = ["user"]
    search_fields = ["user__email", "address"]


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Audit entries. They outlive their team, so the list shows its id."""

    list_display = ["at", "team_id", "seq", "actor_label", "action", "subject_label", "address", "request_id"]
    list_filter = ["action", "at"]
    search_fields = ["actor_label", "subject_id", "subject_label", "request_id", "team__slug"]
    fields = [
        *("team_id", "seq", "at", "actor_id", "actor_label", "action", "subject_type", "subject_id", "subject_label"),
        *("data", "request_id", "address", "prev_hash", "hash"),
    ]


@admin.register(AuditHead)
class AuditHeadAdmin(ReadOnlyAdmin):
    list_display = ["team_id", "seq", "hash"]
    search_fields = ["hash"]
    fields = ["team_id", "seq", "hash"]


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(ReadOnlyAdmin):
    list_display = ["key", "team", "status", "created_at"]
    list_select_related = ["team"]
    search_fields = ["key", "team__slug"]
    exclude = ["body"]


@admin.register(OutgoingMail)
class OutgoingMailAdmin(ReadOnlyAdmin):
    """Outgoing mails without their content, which may hold a link that signs its reader in."""

    list_display = ["to", "template", "status", "attempts", "next_try_at", "ended_at", "error"]
    list_filter = ["status", "template", "created_at"]
    search_fields = ["to"]
    exclude = ["context", "headers"]
    actions = ["send_again"]

    @admin.action(description="Send again")
    def send_again(self, request: HttpRequest, queryset: QuerySet[OutgoingMail]) -> None:
        each(request, queryset.filter(status=MailStatus.FAILED), lambda one: mail.send_again(mail=one), "on their way")


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "team", "person", "kind", "title", "read_at", "settled_at"]
    list_filter = ["kind", "created_at"]
    list_select_related = ["team", "person"]
    search_fields = ["person__email", "team__slug", "subject_id"]


@admin.register(PeriodicJob)
class PeriodicJobAdmin(ReadOnlyAdmin):
    search_fields = ["name"]
    list_display = ["name", "due_at", "started_at", "ended_at", "succeeded_at", "failures", "error"]
    ordering = ["name"]
