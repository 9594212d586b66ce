"""Logging of every process: Django's configuration, with secrets masked in the output of every handler."""

from __future__ import annotations

import logging
import logging.config
from typing import Any

from accounts.masking import mask


class MaskingFormatter(logging.Formatter):
    """Formatter that masks another formatter's result, including the traceback."""

    def __init__(self, inner: logging.Formatter | None) -> None:
        super().__init__()
        self.inner = inner or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        return mask(self.inner.format(record))


def configure(config: dict[str, Any]) -> None:
    """Apply LOGGING (Django's LOGGING_CONFIG), and mask the handlers that uvicorn has set before."""
    logging.config.dictConfig(config)
    mask_handlers()


def mask_handlers() -> None:
    """Wrap the formatter of every handler that any logger has."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    for handler in {handler for logger in loggers for handler in getattr(logger, "handlers", ())}:
        if not isinstance(handler.formatter, MaskingFormatter):
            handler.setFormatter(MaskingFormatter(handler.formatter))
