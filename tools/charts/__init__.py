"""Charts for reports, drawn with matplotlib in a limited child process."""

from __future__ import annotations

from tools.charts.chart_spec import Chart, Kind

__all__ = ["Chart", "Kind"]
