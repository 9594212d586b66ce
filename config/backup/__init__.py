"""Backups of a whole installation: `manage.py backup` and `manage.py restore` (docs/adr/0019)."""
