from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("tasks", "0009_effect_begins")]

    operations = [
        migrations.RemoveIndex("humanrequest", "request_untold"),
        migrations.RemoveIndex("run", "run_untold"),
        migrations.RenameField("humanrequest", "told_at", "notified_at"),
        migrations.RenameField("run", "told_at", "notified_at"),
        migrations.RenameField("run", "is_awaited", "notify_on_success"),
        migrations.RenameField("run", "said_seq", "last_message_seq"),
        migrations.RenameField("run", "op_no", "commit_no"),
        migrations.AddIndex(
            "humanrequest",
            models.Index(fields=["asked_at"], condition=Q(status="open", notified_at=None), name="request_unnotified"),
        ),
        migrations.AddIndex(
            "run",
            models.Index(
                fields=["finished_at"],
                condition=Q(notified_at=None)
                & (Q(status__in=("failed", "expired")) | Q(status="succeeded", notify_on_success=True)),
                name="run_unnotified",
            ),
        ),
    ]
