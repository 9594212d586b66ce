"""Network addresses that people have signed in from."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from accounts.models.people import User


class KnownAddress(models.Model):
    """Address from which a person proved who they are. Wrong passwords sent from elsewhere do not lock it out."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="known_addresses")
    address = models.CharField(max_length=45)
    """IPv4 address, or the network of an IPv6 address."""
    last_used_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "known addresses"
        constraints = [models.UniqueConstraint(fields=["user", "address"], name="known_address_once_per_person")]

    def __str__(self) -> str:
        return f"{self.user} at {self.address}"
