"""Entry point of understanding: from the words of a question to a request or an open point."""

from __future__ import annotations

from collections.abc import Callable

from agents.runtimes.demo.language import cues
from agents.runtimes.demo.language.sentence import Sentence
from agents.runtimes.demo.request import Aggregate, Ask, Measure, Request, Table, Unclear, Understood
from agents.runtimes.demo.understanding import extreme_requests, figure_requests, relation_requests
from agents.runtimes.demo.understanding.measures import Decided
from agents.runtimes.demo.understanding.offers import offers
from agents.runtimes.demo.understanding.question_kinds import kind_of
from agents.runtimes.demo.understanding.reader import Reader
from agents.runtimes.demo.understanding.refusals import cannot
from agents.runtimes.demo.wording import code

LEFT_OUT = "words"
"""Role of an answer that allows words without a match to be ignored."""


def understand(text: str, table: Table, decided: Decided, *, may_pass_over: bool = False) -> Understood:
    """Read one question about the table. `decided` holds the columns that a person chose, by role."""
    sentence = Sentence(text)
    for pattern, what in cues.UNSUPPORTED:
        if sentence.has(pattern):
            return cannot(table, f"The demo model cannot {what}.")
    reader = Reader(sentence, table)
    ask = kind_of(reader)
    if ask is None:
        return cannot(table, f"I cannot tell from these words what to work out of {table.file}.")
    found = BUILDERS[ask](reader, decided)
    if isinstance(found, Unclear):
        return found
    found.text = sentence.text
    return _checked(reader, found, decided, may_pass_over=may_pass_over)


def _checked(reader: Reader, request: Request, decided: Decided, *, may_pass_over: bool) -> Understood:
    """Return the request, unless unassigned words may change the question."""
    parts = {each.column for each in (request.measure, request.other) if each is not None}
    parts |= {each.column for each in (request.by, request.also_by) if each is not None}
    parts |= {each.column for each in request.filters}
    for mention in reader.free():
        if parts & set(mention.columns):
            reader.use(mention)
    left = reader.unused()
    words = reader.sentence.tokens
    named = {at for mention in reader.free() for at in range(mention.start, mention.end)}
    request.unused = [words[at].text for at in left if at not in named]
    request.taken += [
        f"{code(mention.columns[0].name)} is named in the question, but is no part of the answer."
        for mention in reader.free()
        if mention.columns and mention.fit >= 0.95 and not mention.columns[0].is_time
    ]
    binding = [at for at in left if reader.restricts(at) or (_is_asked_for(reader, at) and not decided)]
    if not binding or may_pass_over:
        return request
    listed = ", ".join(f"“{words[at].text}”" for at in binding)
    return Unclear(
        question=f"I found nothing in {reader.table.file} for {listed}. How should I go on?"[:1000],
        why="Without it the answer would be to another question.",
        role=LEFT_OUT,
        choices=(f"Leave {listed} out"[:200], *offers(reader.table)[:4]),
    )


def _is_asked_for(reader: Reader, at: int) -> bool:
    """Return True if the word is the subject of the most, the average or the number."""
    ends = {
        end
        for pattern in (cues.HIGH, cues.LOW, cues.COUNT, cues.WHICH, *(each for _, each in cues.AGGREGATES))
        for _, end in reader.sentence.spans(pattern)
    }
    return at in ends


def _missing(reader: Reader, decided: Decided) -> Understood:
    named = reader.free()
    column = next((column for mention in named for column in mention.columns), None)
    for mention in named:
        reader.use(mention)
    return Request(ask=Ask.MISSING, text="", measure=Measure(Aggregate.ROWS, column))


def _overview(reader: Reader, decided: Decided) -> Understood:
    return Request(ask=Ask.OVERVIEW, text="")


Builder = Callable[[Reader, Decided], Understood]
BUILDERS: dict[Ask, Builder] = {
    Ask.MISSING: _missing,
    Ask.OVERVIEW: _overview,
    Ask.EXTREME: extreme_requests.extreme,
    Ask.TOP: extreme_requests.extreme,
    Ask.LIST: extreme_requests.rows_that_fit,
    Ask.GROWTH: extreme_requests.growth,
    Ask.FIGURE: figure_requests.figure,
    Ask.TREND: extreme_requests.trend,
    Ask.COMPARE: relation_requests.compare,
    Ask.RELATION: relation_requests.relation,
    Ask.DISTRIBUTION: figure_requests.distribution,
    Ask.DRIVERS: relation_requests.drivers,
    Ask.PERIODS: relation_requests.periods,
}
