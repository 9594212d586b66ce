from __future__ import annotations

from typing import Any

from django.db import migrations

from accounts.emails import canonical

ODD = r"[^!-~]|[A-Z\"]"
"""Characters that a canonical address does not contain."""


def respell(apps: Any, schema_editor: Any) -> None:
    """Store addresses in canonical form. The later of two accounts of one mailbox keeps its own, and still signs in."""
    User, EmailAddress = apps.get_model("accounts", "User"), apps.get_model("account", "EmailAddress")
    Invitation = apps.get_model("accounts", "Invitation")
    for user in User.objects.filter(email__regex=ODD).order_by("pk"):
        spelled = canonical(user.email)
        taken = User.objects.filter(email__iexact=spelled).exclude(pk=user.pk)
        theirs = EmailAddress.objects.filter(email__iexact=spelled).exclude(user=user)
        if spelled != user.email and not taken.exists() and not theirs.exists():
            User.objects.filter(pk=user.pk).update(email=spelled)
    for address in EmailAddress.objects.filter(email__regex=ODD).order_by("pk"):
        spelled = canonical(address.email)
        taken = EmailAddress.objects.filter(email__iexact=spelled).exclude(pk=address.pk)
        theirs = User.objects.filter(email__iexact=spelled).exclude(pk=address.user_id)
        if spelled != address.email and not taken.exists() and not theirs.exists():
            EmailAddress.objects.filter(pk=address.pk).update(email=spelled)
    for invitation in Invitation.objects.filter(email__regex=ODD, accepted_at=None, revoked_at=None).order_by("pk"):
        spelled = canonical(invitation.email)
        others = Invitation.objects.filter(team=invitation.team_id, email=spelled, accepted_at=None, revoked_at=None)
        if spelled != invitation.email and not others.exclude(pk=invitation.pk).exists():
            Invitation.objects.filter(pk=invitation.pk).update(email=spelled)


class Migration(migrations.Migration):
    dependencies = [
        ("account", "0009_emailaddress_unique_primary_email"),
        ("accounts", "0009_audit_checkpoints"),
    ]

    operations = [migrations.RunPython(respell, migrations.RunPython.noop)]
