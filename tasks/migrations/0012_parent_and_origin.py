import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0011_no_approver'),
    ]

    operations = [
        migrations.AddField(
            model_name='run',
            name='origin',
            field=models.CharField(blank=True, choices=[('page', 'on a page'), ('api', 'over the API'), ('terminal', 'in the terminal'), ('seed', 'as an example')], db_default='', default='', max_length=10),
        ),
        migrations.AddField(
            model_name='run',
            name='parent',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='children', to='tasks.run'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(condition=models.Q(('parent__isnull', False)), fields=['parent'], name='run_children'),
        ),
    ]
