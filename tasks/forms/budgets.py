"""Form of a monthly budget."""

from __future__ import annotations

from decimal import Decimal

from django import forms

from billing.services import MOST_USD


class BudgetForm(forms.Form):
    limit_usd = forms.DecimalField(
        label="Monthly limit", min_value=Decimal(0), max_value=MOST_USD, decimal_places=2, max_digits=9
    )
