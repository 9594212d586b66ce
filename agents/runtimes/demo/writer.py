"""Script for every demo agent that does not work on tables: reads the input and lists the main points.

It selects sentences and does not write any; its results say so.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from agents.runtimes.demo import reading, sentences
from agents.runtimes.demo.replay import Call, Reply, Script, ScriptContext, ScriptedTurn
from agents.runtimes.demo.revision import OPENING, prompt_after
from agents.runtimes.demo.steps import CannotContinue, Step, sentence
from agents.runtimes.demo.wording import quoted

DRAFT = "draft.md"
FEWEST_SENTENCES = 3
"""Sentences from which on a prompt counts as a text to work on."""
NOTHING = (
    "The demo model only sets out sentences of a text that it is given, and no file, page or text came with the "
    "request. Attach one or paste it, or set an Anthropic API key so that a language model does the work."
)
MOST_FILES = 3
SHORT = 4
"""Words below which a prompt does not say what is wanted."""
BADGE = (
    "> **Demo model.** Deskhand's offline demo made this from a template and from sentences of your own input. "
    "No language model wrote or judged it. With an Anthropic API key, this agent does the work itself."
)


@dataclass(slots=True, kw_only=True)
class Draft:
    context: ScriptContext
    brief: list[str]
    """The prompt, then the person's additions."""
    sources: dict[str, str] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)


def script(context: ScriptContext) -> Script:
    """Script of one draft, then of one revision per comment, without end."""
    draft = Draft(context=context, brief=[context.prompt])
    try:
        yield from _gather(draft)
        yield from _need_text(draft)
        yield from _ask_if_short(draft)
        yield from _write(draft)
        reply = yield ScriptedTurn(_closing(draft))
        while True:
            comment = OPENING.sub("", reply.message).strip()
            draft.changes.append(comment)
            yield from _write(draft)
            reply = yield ScriptedTurn(f"I read the comment: {quoted(comment)}\n\n{_closing(draft)}")
    except CannotContinue as problem:
        reply = yield ScriptedTurn(str(problem), has_failed=True)
        yield from script(replace(context, prompt=prompt_after(context.prompt, reply.message)))


def _gather(draft: Draft) -> Step:
    """Read the files and the pages that came with the prompt."""
    plan = (
        f"You asked: {quoted(draft.context.prompt)} First I look at what came with it; then I pick the sentences that "
        f"say most and set them out in {DRAFT}."
    )
    calls: list[Call] = []
    if draft.context.has("list_files", "read_file"):
        reply = yield _with_progress(draft, 1, "Looking at the files", plan, Call("list_files", {}))
        names = reading.text_files(reply.last.text)
        calls = [Call("read_file", {"path": name}) for name in names[:MOST_FILES]]
        draft.unread += [f"{name}: only the first {MOST_FILES} files are read" for name in names[MOST_FILES:]]
        plan = f"Reading {', '.join(names[:MOST_FILES])}."
    if draft.context.has("fetch_url"):
        calls += [Call("fetch_url", {"url": url}) for url in sentences.urls(draft.context.prompt)[:MOST_FILES]]
    if not calls:
        return
    reply = yield ScriptedTurn(plan, calls)
    _take(draft, calls, reply)


def _take(draft: Draft, calls: list[Call], reply: Reply) -> None:
    for call, result in zip(calls, reply.results, strict=True):
        name = str(call.arguments.get("path") or call.arguments.get("url"))
        if result.is_error:
            draft.unread.append(f"{name}: {sentence(result.text)}")
        else:
            draft.sources[name] = result.text


def _need_text(draft: Draft) -> Step:
    """Use the prompt as the text if no file or page came, else ask for one. The demo invents none."""
    if not draft.sources and len(sentences.found(draft.context.prompt)) >= FEWEST_SENTENCES:
        draft.sources["the request"] = draft.context.prompt
    if draft.sources or not draft.context.has("ask_human"):
        _check_sources(draft)
        return
    arguments = {"question": "Which text should I work on? Paste it here.", "why": NOTHING}
    reply = yield ScriptedTurn("No text came with the request, so I ask for it first.", [Call("ask_human", arguments)])
    if not reply.first.is_error and sentences.found(reply.first.answer):
        draft.sources["the answer"] = reply.first.answer
    _check_sources(draft)


def _check_sources(draft: Draft) -> None:
    if not draft.sources:
        unread = f" {'; '.join(draft.unread)}." if draft.unread else ""
        raise CannotContinue(f"I stopped: {NOTHING}{unread}")


def _ask_if_short(draft: Draft) -> Step:
    if len(draft.context.prompt.split()) >= SHORT or not draft.context.has("ask_human"):
        return
    arguments = {
        "question": "What should the result be, and who is it for?",
        "why": f"{quoted(draft.context.prompt)} leaves much open.",
    }
    reply = yield ScriptedTurn("The request is short, so I ask first.", [Call("ask_human", arguments)])
    if not reply.first.is_error:
        draft.brief.append(reply.first.answer)


def _write(draft: Draft) -> Step:
    if not draft.context.has("write_file"):
        return
    call = Call("write_file", {"path": DRAFT, "content": markdown(draft)})
    reply = yield _with_progress(draft, 2, "Writing the draft", f"Writing {DRAFT}.", call)
    if reply.last.is_error:
        reply = yield ScriptedTurn(f"{DRAFT} could not be written. Trying once more.", [call])
    if reply.last.is_error:
        raise CannotContinue(f"I stopped, because {DRAFT} could not be written. {sentence(reply.last.text)}")


def markdown(draft: Draft) -> str:
    """Return the content of draft.md."""
    brief = " ".join(draft.brief)
    parts = [
        f"# {sentences.title(draft.context.prompt)}",
        BADGE,
        f"**Asked:** {sentences.escaped(' '.join(brief.split()))}",
    ]
    if draft.changes:
        lines = [
            f"- Asked: {sentences.escaped(change)}  \n  {_what_was_done(draft, change)}" for change in draft.changes
        ]
        parts.append("## Changes\n\n" + "\n".join(lines))
    parts += [_source(name, text, " ".join([brief, *draft.changes])) for name, text in draft.sources.items()]
    parts.append("## Still to decide\n\n" + "\n".join(f"- {line}" for line in _open_points(draft)))
    return "\n\n".join(parts) + "\n"


def _what_was_done(draft: Draft, change: str) -> str:
    if draft.sources and any(sentences.hits(text, change) for text in draft.sources.values()):
        return "The sentences that share words with this now come first."
    return "The demo model found nothing in the input that fits this, so a person has to take it from here."


def _source(name: str, text: str, brief: str) -> str:
    lines = [f"- {sentences.escaped(each)}" for each in sentences.best(text, brief)]
    words = f"{len(text.split()):,} words"
    return f"## From {sentences.escaped(name)} ({words})\n\n" + ("\n".join(lines) or "It holds no sentences.")


def _open_points(draft: Draft) -> list[str]:
    lines = [f"Not read: {sentences.escaped(each)}" for each in draft.unread]
    lines.append("Check each sentence against its source before it is used.")
    lines.append("Put them in your own words: a language model, or you.")
    return lines


def _closing(draft: Draft) -> str:
    read = f"I read {', '.join(draft.sources)} and set out the main sentences."
    made = f"Files: {DRAFT}." if draft.context.has("write_file") else "I have no tool to write files with."
    return f"{read} {made}\n\nThis is the demo model's template work; no language model judged it."


def _with_progress(draft: Draft, done: int, label: str, text: str, call: Call) -> ScriptedTurn:
    calls = [call]
    if draft.context.has("report_progress"):
        calls.insert(0, Call("report_progress", {"done": done, "total": 2, "label": label}))
    return ScriptedTurn(text, calls)
