"""Clarification of the question: by its words, or by asking the person."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from agents.runtimes.demo import profiling, reading
from agents.runtimes.demo.analysis_state import AnalysisState
from agents.runtimes.demo.language.sentence import Sentence, sentences
from agents.runtimes.demo.language.tokens import fold
from agents.runtimes.demo.replay import Call, Reply, ScriptedTurn
from agents.runtimes.demo.request import Ask, Request, Unclear
from agents.runtimes.demo.steps import CannotContinue, Step
from agents.runtimes.demo.table_columns import Column, Kind
from agents.runtimes.demo.understanding.mentions import mentions
from agents.runtimes.demo.understanding.offers import offers
from agents.runtimes.demo.understanding.question_kinds import kind_of
from agents.runtimes.demo.understanding.reader import Reader
from agents.runtimes.demo.understanding.understand import LEFT_OUT, understand
from agents.runtimes.demo.wording import amount, code, count_of, listed, quoted

MOST_REQUESTS = 3
MOST_ASKED = 4
ANY = "Decide for me"
STOP = "Stop here"
LEFT_TO_ME = re.compile(
    r"(?:decide for me|you (?:decide|choose|pick)|up to you|whatever|any(?: of them| one)?|(?:i )?do(?:n t|"
    r" not) (?:know|care)|"
    r"no idea|egal|(?:ist )?mir egal|entscheide du|du entscheidest|weiss (?:ich )?nicht|keine ahnung|beliebig)"
)
STOPS = re.compile(r"(?:stop(?: here| it)?|nothing|none|cancel|abort|no|nein|nichts|abbrechen|halt)")
BEGINS = re.compile(
    r"^(?:which|what|how|who|when|where|compare|show|is there|welche[rsnm]?|was|wie|wer|wann|wo|vergleich\w*|zeig\w*)\b"
)
Asked = Generator[ScriptedTurn, Reply, None]


@dataclass(slots=True, kw_only=True)
class Draft:
    """One question that is not fully understood yet."""

    text: str
    decided: dict[str, Column] = field(default_factory=dict)
    may_pass_over: bool = False


def settle(state: AnalysisState) -> Step:
    """Determine the requests of the prompt. Whatever the words leave open is asked before any work starts."""
    drafts = _worth_asking(state)
    state.requests = []
    for draft in drafts[:MOST_REQUESTS]:
        request = yield from _understood(state, draft)
        if not any(request.text == other.text for other in state.requests):
            state.requests.append(request)
    for text in [draft.text for draft in drafts[MOST_REQUESTS:]]:
        state.problems.append(f"One report answers {MOST_REQUESTS} questions; {quoted(text)} is left for another run.")


def another(state: AnalysisState, why: str) -> Step:
    """Ask for another question after one that the table cannot answer."""
    if not state.context.has("ask_human") or state.asked_again >= 2:
        raise CannotContinue(why)
    state.asked_again += 1
    unclear = Unclear(
        question="What should I work out instead?", why=why, role="prompt", choices=tuple(offers(state.table))
    )
    draft = Draft(text=state.question)
    yield from _ask(state, draft, unclear)
    state.question, state.decided = draft.text, {}


def _worth_asking(state: AnalysisState) -> list[Draft]:
    """Return the sentences of the prompt that the table can answer; the first one if there is none."""
    drafts = [Draft(text=text, decided=dict(state.decided)) for text in sentences(state.question)]
    found = [(draft, understand(draft.text, state.table, draft.decided)) for draft in drafts]
    clear = [draft for draft, each in found if not _is_open(each)]
    refused = [each.why for _, each in found if isinstance(each, Unclear) and _is_open(each)]
    state.problems += [why for why in refused if clear and why.startswith("The demo model cannot")]
    periods = [draft for draft in clear if _asks(state, draft) is Ask.PERIODS]
    return periods[:1] or clear or drafts[:1]


def _asks(state: AnalysisState, draft: Draft) -> Ask | None:
    found = understand(draft.text, state.table, draft.decided)
    return found.ask if isinstance(found, Request) else None


def _is_open(found: Request | Unclear) -> bool:
    return isinstance(found, Unclear) and found.role == "prompt"


def _understood(state: AnalysisState, draft: Draft) -> Generator[ScriptedTurn, Reply, Request]:
    """Return the request of the sentence, after as many questions as it takes."""
    is_looked_up = False
    for _ in range(MOST_ASKED):
        found = understand(draft.text, state.table, draft.decided, may_pass_over=draft.may_pass_over)
        words = _unknown(draft.text, found)
        if words and not is_looked_up:
            is_looked_up = True
            yield from profiling.look_up(state, words)
            found = understand(draft.text, state.table, draft.decided, may_pass_over=draft.may_pass_over)
        if isinstance(found, Request):
            return found
        yield from _ask(state, draft, found)
    raise CannotContinue(f"I stopped: I still cannot tell what to work out of {state.table.file}.")


def _unknown(text: str, found: Request | Unclear) -> list[str]:
    """Return the words to search among the values: unmatched ones, alone and with their neighbours."""
    is_complete = isinstance(found, Request) and not found.unused
    if is_complete or (isinstance(found, Unclear) and (found.role == "prompt" or found.default is not None)):
        return []
    words = Sentence(text).words
    grams = {" ".join(words[at : at + size]) for size in (1, 2, 3, 4) for at in range(len(words) - size + 1)}
    return sorted(gram for gram in grams if len(gram) > 2)[:200]


def _ask(state: AnalysisState, draft: Draft, unclear: Unclear) -> Asked:
    """Ask, and apply the answer to the draft. It is a choice, a column in other words, or a new question."""
    if not state.context.has("ask_human"):
        _decide_alone(state, draft, unclear)
        return
    refused = ""
    for _ in range(3):
        arguments = {
            "question": unclear.question[:1000],
            "why": f"{refused}{_why(unclear)}".strip()[:1000],
            "choices": _choices(unclear),
        }
        if unclear.columns and unclear.default is not None:
            arguments["default"] = ANY
        narration = "Your question fits more than one column, so I ask before I count."
        narration = narration if unclear.columns and unclear.default is not None else unclear.why
        reply = yield ScriptedTurn(f"{refused}{narration}".strip(), [Call("ask_human", arguments)])
        state.read_message(reply.message)
        if reply.first.is_error:
            _decide_alone(state, draft, unclear, nobody="nobody answered")
            return
        narrowed = _take(state, draft, unclear, reply.first.answer.strip())
        if narrowed is None:
            return
        refused = f"{quoted(reply.first.answer)} {_why_not(narrowed)} "
        if isinstance(narrowed, Unclear):
            unclear = narrowed
    raise CannotContinue(f"I stopped: no answer told me what to work out of {state.table.file}.")


def _why_not(narrowed: Unclear | str) -> str:
    if isinstance(narrowed, Unclear):
        return f"still fits {listed([code(column.name) for column in narrowed.columns], 'or')}."
    return narrowed


def _take(state: AnalysisState, draft: Draft, unclear: Unclear, answer: str) -> Unclear | str | None:
    """Apply the answer to the draft.

    Return the reason if it cannot be applied, or the narrower question that remains.
    """
    plain = Sentence(answer).plain
    if LEFT_TO_ME.fullmatch(plain):
        _leave(state, draft, unclear)
        return None
    if STOPS.fullmatch(plain) or answer == STOP:
        raise CannotContinue(f"{_ended(unclear)} The answer was to stop.")
    if not unclear.columns or _is_question(state, answer):
        return _take_question(state, draft, unclear, answer)
    able = [column for column in unclear.columns if fold(column.name) == fold(answer)]
    able = (
        able or _columns_meant(state, unclear.columns, answer) or _columns_meant(state, _able(state, unclear), answer)
    )
    if len(able) == 1:
        draft.decided[unclear.role] = able[0]
        state.how_decided = ", as answered"
        return None
    if able:
        return Unclear(
            question=unclear.question, why=unclear.why, role=unclear.role, columns=tuple(able[:6]), default=able[0]
        )
    return f"is no column of {state.table.file} that I could measure."


def _is_question(state: AnalysisState, answer: str) -> bool:
    """Return True if a person answers with another question instead of a column."""
    sentence = Sentence(answer)
    begins = answer.rstrip().endswith("?") or BEGINS.match(sentence.plain) is not None
    return begins and kind_of(Reader(sentence, state.table)) is not None


def _able(state: AnalysisState, unclear: Unclear) -> list[Column]:
    return [column for column in state.table.asked if column.can_be_measured or unclear.role == "group"]


def _columns_meant(state: AnalysisState, columns: Sequence[Column], answer: str) -> list[Column]:
    """Return the columns that a free-text answer names; the last ones if it corrects itself."""
    found = [mention for mention in mentions(Sentence(answer).tokens, columns) if mention.columns]
    return list(found[-1].columns) if found else []


def _take_question(state: AnalysisState, draft: Draft, unclear: Unclear, answer: str) -> str | None:
    if unclear.role == LEFT_OUT and answer == unclear.choices[0]:
        draft.may_pass_over = True
        return None
    if _is_open(understand(answer, state.table, {})):
        return "is no question that I can work out."
    draft.text, draft.decided, draft.may_pass_over = answer, {}, False
    state.question = answer
    return None


def _leave(state: AnalysisState, draft: Draft, unclear: Unclear) -> None:
    """Choose a matching column for a person who left the choice to the analyst. Never choose another question."""
    if unclear.default is None:
        raise CannotContinue(f"{_ended(unclear)} I do not put something else in its place without an answer.")
    _decide(state, draft, unclear.role, unclear.default, "the choice was left to me")


def _decide_alone(state: AnalysisState, draft: Draft, unclear: Unclear, nobody: str = "nobody could be asked") -> None:
    """Choose the default without an answer if the words match several columns; otherwise stop."""
    if unclear.columns and unclear.default is not None:
        _decide(state, draft, unclear.role, unclear.default, f"it was the first that fits, and {nobody}")
        return
    offered = f" I can answer: {' · '.join(unclear.choices[:4])}" if unclear.choices else ""
    columns = f" Columns: {', '.join(column.name for column in unclear.columns)}." if unclear.columns else ""
    raise CannotContinue(f"{_ended(unclear)} {nobody.capitalize()}.{columns}{offered}")


def _ended(unclear: Unclear) -> str:
    """Return the reason of the stop as a sentence."""
    return f"I stopped: {(unclear.why or unclear.question).removeprefix('I stopped: ')}"


def _decide(state: AnalysisState, draft: Draft, role: str, column: Column, why: str) -> None:
    draft.decided[role] = column
    if role == "measure":
        state.how_decided = f" ({why})"


def _choices(unclear: Unclear) -> list[str]:
    if unclear.columns:
        return [*(column.name[:200] for column in unclear.columns), ANY if unclear.default is not None else STOP]
    return [*dict.fromkeys(unclear.choices), STOP][:8]


def _why(unclear: Unclear) -> str:
    if not unclear.columns:
        return unclear.why
    listing = "; ".join(f"{code(column.name)} ({_what_it_is(column)})" for column in unclear.columns)
    could = "could be what you mean" if unclear.default is not None else "can be measured"
    text = f"{unclear.why} {count_of(len(unclear.columns), 'column')} {could}: {listing}."
    if unclear.default is not None:
        text += f" If you are not sure, leave it to me: I would take {code(unclear.default.name)}."
    return text.strip()


def _what_it_is(column: Column) -> str:
    if column.kind is Kind.FLAG:
        return f"yes or no, {column.filled:,} rows filled"
    return f"number, {_bound(column.low, column)} to {_bound(column.high, column)}"


def _bound(text: str, column: Column) -> str:
    """Return the bound as the file writes it; money with its currency."""
    written = amount(reading.number(text), column)
    return written if written.lstrip("-")[:1] in "$€£" else text
