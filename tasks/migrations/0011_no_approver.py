from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tasks", "0010_plain_names")]

    operations = [
        migrations.AlterField(
            model_name="run",
            name="error_code",
            field=models.CharField(
                blank=True,
                choices=[
                    ("model_error", "Model Error"),
                    ("model_refused", "Model Refused"),
                    ("tool_error", "Tool Error"),
                    ("timeout", "Timeout"),
                    ("turn_limit", "Turn Limit"),
                    ("budget_exhausted", "Budget Exhausted"),
                    ("no_progress", "No Progress"),
                    ("bad_output", "Bad Output"),
                    ("no_result", "No Result"),
                    ("worker_lost", "Worker Lost"),
                    ("no_approver", "No Approver"),
                    ("agent_removed", "Agent Removed"),
                    ("internal", "Internal"),
                ],
                max_length=20,
            ),
        )
    ]
