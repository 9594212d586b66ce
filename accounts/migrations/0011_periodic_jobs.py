from __future__ import annotations

import django.db.models.functions.datetime
import django.utils.timezone
from django.db import migrations, models

# Beat keeps its entries in the database, and goes on sending those that the settings no longer name.
DELETE_REPLACED = (
    "DELETE FROM django_celery_beat_periodictask WHERE name IN ('tasks.sweep', 'accounts.save_checkpoints')"
)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0010_one_spelling_of_addresses"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [
        migrations.CreateModel(
            "PeriodicJob",
            [
                ("name", models.CharField(max_length=80, primary_key=True, serialize=False)),
                (
                    "due_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now
                    ),
                ),
                ("started_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("succeeded_at", models.DateTimeField(null=True)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("error", models.CharField(blank=True, max_length=300)),
                ("locked_until", models.DateTimeField(null=True)),
                ("claim", models.UUIDField(null=True)),
            ],
        ),
        migrations.RunSQL(DELETE_REPLACED, migrations.RunSQL.noop),
    ]
