"""Charts that a report can carry: drawn with matplotlib in a confined child process."""

from __future__ import annotations

from tools.charts.spec import Chart, Kind

__all__ = ["Chart", "Kind"]
