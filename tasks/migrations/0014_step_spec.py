from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0013_origin_of_older_runs'),
    ]

    operations = [
        migrations.AddField(
            model_name='step',
            name='spec',
            field=models.JSONField(null=True),
        ),
    ]
