"""Form of docstrings: an imperative verb or a plain noun first, in a short first sentence."""

from __future__ import annotations

import ast
import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.code import ROOT, committed

MAX_FIRST_SENTENCE_WORDS = 20
# Words that begin neither an instruction nor a plain noun phrase. Words that are also nouns ("runs", "draws") are not
# listed.
QUESTION_WORDS = "what how whether where when who whom whose which why whatever whoever wherever whenever however"
PRONOUNS = (
    "i we you he she it they his her its our your their this that these those there here "
    "nobody somebody anybody everybody someone anyone nothing something anything everything neither nor none"
)
CONNECTIVES = (
    "and or but so as if then else than though although because since while until till unless once also even still "
    "only just now never always again not like"
)
PREPOSITIONS = (
    "in to of for from by with without within at onto into after before under over above below beside between among "
    "around against about across along through during behind beyond per via instead"
)
AUXILIARIES = "is are was were be been am has had have does did may might can could shall should will would must"
THIRD_PERSON = (
    "adds applies asks becomes begins belongs carries collects comes creates deletes describes empties ensures gets "
    "gives goes keeps knows lets makes owns puts receives refuses removes returns says sees sends takes tells "
    "validates wraps"
)
PARTICIPLES = "asked called given said told made done taken"
FORBIDDEN = frozenset(
    " ".join([QUESTION_WORDS, PRONOUNS, CONNECTIVES, PREPOSITIONS, AUXILIARIES, THIRD_PERSON, PARTICIPLES]).split()
)

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def python_files() -> list[Path]:
    """Return the paths, relative to the root, of all Python files that are not generated migrations."""
    generated = {"migrations", "djstripe_migrations"}
    return [path for path in committed() if path.suffix == ".py" and not generated & set(path.parts)]


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of the docstrings of modules, classes, functions, constants and fields, on one line each."""
    for node in ast.walk(tree):
        if not isinstance(node, Documented):
            continue
        if text := ast.get_docstring(node):
            yield node.body[0].lineno, " ".join(text.split())
        for assignment, documentation in itertools.pairwise(node.body):
            match assignment, documentation:
                case ((ast.Assign() | ast.AnnAssign()), ast.Expr(value=ast.Constant(value=str(text)))):
                    yield documentation.lineno, " ".join(text.split())


def first_word(text: str) -> str:
    """Return the first word in lower case, without what follows an apostrophe; empty if it begins with code."""
    match = re.match(r"[A-Za-z][\w-]*", text)
    return match[0].lower() if match else ""


def first_sentence(text: str) -> str:
    """Return the text up to the first full stop, question or exclamation mark that a space follows."""
    return re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0]


def word_count(sentence: str) -> int:
    """Return the number of words; code in backquotes counts as one."""
    return len(re.findall(r"\S*\w\S*", re.sub(r"`[^`]+`", "code", sentence)))


def problem(text: str) -> str:
    """Return what is wrong with the docstring, or an empty string."""
    sentence = first_sentence(text)
    if first_word(text) in FORBIDDEN:
        return f"begins with “{sentence.split()[0]}”"
    if (words := word_count(sentence)) > MAX_FIRST_SENTENCE_WORDS:
        return f"has {words} words in its first sentence"
    return ""


def problems(path: Path) -> list[str]:
    """Return one line per docstring of the file that breaks the rule."""
    return [
        f"{path}:{line} {reason}: {text}"
        for line, text in docstrings(ast.parse((ROOT / path).read_text()))
        if (reason := problem(text))
    ]


def all_problems() -> list[str]:
    """Return one line per docstring of the project that breaks the rule."""
    return [line for path in python_files() for line in problems(path)]


if __name__ == "__main__":
    sys.exit("\n".join(all_problems()) or None)
