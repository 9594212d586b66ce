"""Answers of the demo analyst, one module per kind of question."""

from __future__ import annotations

from collections.abc import Callable

from agents.runtimes.demo.analysis_state import AnalysisState
from agents.runtimes.demo.answers import (
    comparisons,
    distributions,
    drivers,
    extremes,
    figures,
    growth,
    overviews,
    periods,
    relations,
    trends,
)
from agents.runtimes.demo.request import Ask, Request
from agents.runtimes.demo.steps import Answer

ANSWERS: dict[Ask, Callable[[AnalysisState, Request], Answer]] = {
    Ask.EXTREME: extremes.answer,
    Ask.TOP: extremes.answer,
    Ask.LIST: extremes.answer,
    Ask.FIGURE: figures.answer,
    Ask.TREND: trends.answer,
    Ask.GROWTH: growth.answer,
    Ask.COMPARE: comparisons.answer,
    Ask.RELATION: relations.answer,
    Ask.DISTRIBUTION: distributions.answer,
    Ask.MISSING: overviews.missing,
    Ask.DRIVERS: drivers.answer,
    Ask.PERIODS: periods.answer,
    Ask.OVERVIEW: overviews.overview,
}
