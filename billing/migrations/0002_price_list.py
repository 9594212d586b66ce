from __future__ import annotations

from typing import Any

from django.db import migrations

from billing.pricing import PRICE_LIST, Rate


def _columns(rate: Rate | None, prefix: str = "") -> dict[str, Any]:
    names = ("input_usd", "output_usd", "cache_read_usd", "cache_write_usd")
    return {prefix + name: getattr(rate, name) for name in names} if rate else {}


def add_prices(apps: Any, schema_editor: Any) -> None:
    """Copy the price list; rows that are there stay as they are."""
    Price = apps.get_model("billing", "Price")
    for price in PRICE_LIST:
        Price.objects.get_or_create(
            model=price.model,
            effective_from=price.effective_from,
            defaults={
                **_columns(price.rate),
                **_columns(price.band, "band_"),
                "band_tokens": price.band_tokens,
            },
        )


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]
    operations = [migrations.RunPython(add_prices, migrations.RunPython.noop)]
