#!/usr/bin/env python
"""Django's command line."""

from __future__ import annotations

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line

    if sys.argv[1:2] not in (["backup"], ["restore"]):
        execute_from_command_line(sys.argv)
        return
    from config.backup.errors import BackupError
    from config.backup.parts import reachable
    from config.embedded import PartError

    try:
        with reachable(sys.argv[1:]):
            execute_from_command_line(sys.argv)
    except (BackupError, PartError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Stopped. Nothing is half done: a backup has no name yet, a restore is done again.")


if __name__ == "__main__":
    main()
