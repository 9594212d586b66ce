"""People, teams and memberships."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from accounts import emails, passwords
from accounts.ids import uuid7


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **extra: Any) -> User:
        """Create a person. Raises ValidationError for an invalid address and for a blank password."""
        if password is not None:
            passwords.VisibleValidator().validate(password)
        user = self.model(email=emails.normalise(email), **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **extra: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **extra)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=self.stored_email(username or ""))

    def stored_email(self, email: str) -> str:
        """Return the address as its account stores it. That is canonical, except for accounts older than the rule."""
        spelled, typed = emails.canonical(email), email.strip().lower()
        if typed == spelled:
            return spelled
        is_older = self.filter(Q(email=typed) | Q(emailaddress__email=typed)).exists()
        return typed if is_older else spelled


class User(AbstractBaseUser, PermissionsMixin):
    """Person. Signs in by email; works in teams by Membership."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120, blank=True)
    hue = models.CharField(max_length=10, default="plum")
    notice_channels = models.JSONField(default=dict, blank=True)
    """{kind: channels} where they differ from the defaults (models/notifications.py)."""
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(default=timezone.now)

    objects: ClassVar[UserManager] = UserManager()
    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_unique_any_case")]

    def __str__(self) -> str:
        return self.display_name

    def clean(self) -> None:
        super().clean()
        if self._state.adding:
            self.email = emails.normalise(self.email)

    def set_password(self, raw_password: str | None) -> None:
        """Hash the canonical form of the password.

        For a user without an address it hashes every spelling: Django and allauth hash for such a dummy so that an
        unknown address takes as long as a known one, and `check_password` may hash several spellings.
        """
        if raw_password is None:
            super().set_password(None)
            return
        super().set_password(passwords.prepare(raw_password))
        if not self.email:
            for spelling in passwords.spellings(raw_password)[1:]:
                make_password(spelling)

    def check_password(self, raw_password: str | None) -> bool:
        if raw_password is None:
            return super().check_password(None)
        return any(super(User, self).check_password(spelling) for spelling in passwords.spellings(raw_password))

    @property
    def display_name(self) -> str:
        return self.name or self.email.partition("@")[0]

    @property
    def initials(self) -> str:
        words = self.display_name.replace(".", " ").replace("_", " ").split()
        return "".join(word[0] for word in words[:2]).upper() or "?"


class Role(models.TextChoices):
    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"
    BILLING = "billing"


class Team(models.Model):
    """Tenant. Every other row belongs to exactly one team."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=60, unique=True)
    email = models.EmailField(blank=True)
    is_personal = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)
    removed_at = models.DateTimeField(null=True, blank=True)
    """Time at which an owner deleted the team.

    It has no members since; its ledger and its audit log stay (docs/adr/0011).
    """
    members = models.ManyToManyField(User, through="Membership", related_name="teams")

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """Membership of a person in a team, with a role."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "user"], name="membership_once_per_team")]

    def __str__(self) -> str:
        return f"{self.user} in {self.team} as {self.role}"
