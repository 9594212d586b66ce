from __future__ import annotations

from typing import Any

from django.db import migrations, models

from billing.models import default_plan

CHOICES = [("free", "Free"), ("starter", "Starter"), ("pro", "Pro"), ("enterprise", "Enterprise")]


def name_unlimited(apps: Any, schema_editor: Any) -> None:
    """Until now there was one plan, without limits."""
    apps.get_model("billing", "TeamPlan").objects.filter(plan="self_hosted").update(plan="enterprise")


def name_self_hosted(apps: Any, schema_editor: Any) -> None:
    apps.get_model("billing", "TeamPlan").objects.update(plan="self_hosted")


class Migration(migrations.Migration):
    dependencies = [("billing", "0003_notifications")]

    operations = [
        migrations.RunPython(name_unlimited, name_self_hosted),
        migrations.AlterField(
            model_name="teamplan", name="plan", field=models.CharField(max_length=30, choices=CHOICES, default=default_plan)
        ),
    ]
