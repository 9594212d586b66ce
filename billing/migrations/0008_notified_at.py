from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("billing", "0007_call_names")]

    operations = [
        migrations.RenameField("budget", "told_warned_at", "warning_notified_at"),
        migrations.RenameField("budget", "told_spent_at", "spent_notified_at"),
    ]
