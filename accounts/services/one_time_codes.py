"""Single use of authenticator codes (RFC 6238, section 5.2). allauth remembers used codes in the cache, which may be
away or emptied. Here the last used time step is stored in the database with the secret: a code of that step or of an
earlier one is refused, also in a race.
"""

from __future__ import annotations

from typing import Any

from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from allauth.mfa.utils import decrypt
from django.db.models import BigIntegerField, F, Func, JSONField, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Coalesce

USED_STEP = "used_step"
"""Key in `Authenticator.data` of the last used time step (30 seconds each, since 1970)."""


def step_of(secret: str, code: str) -> int | None:
    """Return the newest valid time step whose code this is, or None."""
    steps = list(yield_hotp_counters_from_time())
    return next((step for step in reversed(steps) if _is_code(secret, step, code)), None)


def use_up(authenticator: Authenticator, code: str) -> bool:
    """Spend the code in one statement.

    Return False if it, or a newer one, was spent before. Other kinds of factors return True.
    """
    if authenticator.type != Authenticator.Type.TOTP:
        return True
    step = step_of(decrypt(authenticator.data["secret"]), code)
    if step is None:
        return False
    used = Coalesce(Cast(KeyTextTransform(USED_STEP, "data"), BigIntegerField()), Value(-1))
    row = Authenticator.objects.filter(pk=authenticator.pk).annotate(used=used).filter(used__lt=step)
    return bool(row.update(data=_set_step(F("data"), step)))


def _is_code(secret: str, step: int, code: str) -> bool:
    return bool(compare_user_code(actual=code, expected=format_hotp_value(hotp_value(secret, step))))


def _set_step(data: Any, step: int) -> Func:
    """Return the SQL expression that sets the step in the JSON."""
    number = Func(Cast(Value(step), BigIntegerField()), function="to_jsonb", output_field=JSONField())
    return Func(data, Value([USED_STEP]), number, function="jsonb_set", output_field=JSONField())
