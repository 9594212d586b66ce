from django.db import migrations, models
from django.db.models import Count, F, OuterRef, Subquery
from django.db.models.functions import Coalesce, Now


def keep_what_was_asked(apps, schema_editor):
    """Mark calls whose newest attempt people were asked about, so that nobody is asked again."""
    Step = apps.get_model("tasks", "Step")
    HumanRequest = apps.get_model("tasks", "HumanRequest")
    asked = HumanRequest.objects.filter(
        run=OuterRef("run"), kind="unknown_effect", call_id=OuterRef("call_id"), step_index=OuterRef("index")
    )
    counted = asked.order_by().values("run").annotate(n=Count("pk")).values("n")
    open_calls = Step.objects.filter(status="intent", kind="tool").annotate(asked=Coalesce(Subquery(counted), 0))
    ids = open_calls.filter(asked__gte=F("attempt")).values_list("pk", flat=True)
    Step.objects.filter(pk__in=list(ids)).update(effect_at=F("created_at"))


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0008_no_result'),
    ]

    operations = [
        # Calls of before count as having had their effect: nobody knows.
        migrations.AddField(
            model_name='step',
            name='effect_at',
            field=models.DateTimeField(db_default=Now(), null=True),
        ),
        migrations.RunPython(keep_what_was_asked, migrations.RunPython.noop),
    ]
