from __future__ import annotations

from datetime import date
from typing import Any

from django.db import migrations, models

ENDED = {"claude-sonnet-4-5": date(2026, 11, 30)}


def add_known_ends(apps: Any, schema_editor: Any) -> None:
    """Prices that an operator added for a model whose end is known."""
    Price = apps.get_model("billing", "Price")
    for model, ends_on in ENDED.items():
        Price.objects.filter(model__regex=rf"^{model}(-\d{{8}})?$").update(ends_on=ends_on)


class Migration(migrations.Migration):
    dependencies = [("billing", "0005_fewer_indexes")]
    operations = [
        migrations.AddField(
            "price",
            "ends_on",
            models.DateField(
                null=True, blank=True, help_text="The last day on which the provider answers calls to the model."
            ),
        ),
        migrations.RunPython(add_known_ends, migrations.RunPython.noop),
    ]
