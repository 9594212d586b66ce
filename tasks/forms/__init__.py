from __future__ import annotations

from tasks.forms.onboarding import FirstRunForm, RoleForm

__all__ = ["FirstRunForm", "RoleForm"]
