"""Reader of environment variables for the settings."""

from __future__ import annotations

from typing import Any

import environ


class Environment(environ.Env):  # type: ignore[misc]
    """Literal values of environment variables.

    django-environ interprets a value that begins with `$` as the name of another variable, and Django's own key
    generator makes such values.
    """

    def get_value(
        self, var: str, cast: Any = None, default: Any = environ.Env.NOTSET, parse_default: bool = False
    ) -> Any:
        raw = self.ENVIRON.get(f"{self.prefix}{var}", "")
        if not raw.startswith("$"):
            return super().get_value(var, cast=cast, default=default, parse_default=parse_default)
        if cast is None and default is not None and default is not self.NOTSET:
            cast = type(default)
        return self.parse_value(raw, cast)
