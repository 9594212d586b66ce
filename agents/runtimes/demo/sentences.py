"""Choice of the sentences of a text that say most about a subject."""

from __future__ import annotations

import re
from collections import Counter

from agents.runtimes.demo.language.tokens import stems

MOST = 6
SENTENCE = re.compile(r"[^.!?\n]{20,400}[.!?](?=\s|$)|[^.!?\n]{40,400}(?=\n|$)")
URL = re.compile(r"https?://[^\s<>\"')\]]+")
COMMON = stems(
    "the and for that with this from have are was were will would can could should not you your our they their "
    "what which when who how about into than then also more most some any all one two has had its there been but may"
)


def found(text: str) -> list[str]:
    """Return the sentences of the text, each on one line."""
    return [" ".join(match.group().split()) for match in SENTENCE.finditer(text)]


def best(text: str, about: str) -> list[str]:
    """Return the sentences that share most words with `about` and with the rest, in the order of the text."""
    unique = list(dict.fromkeys(found(text)))
    common = Counter(stem for each in unique for stem in stems(each) - COMMON)
    wanted = stems(about) - COMMON

    def worth(sentence: str) -> float:
        words = stems(sentence) - COMMON
        return (sum(common[word] for word in words) / (len(words) + 3)) + 5 * len(words & wanted)

    chosen = set(sorted(unique, key=lambda each: (-worth(each), unique.index(each)))[:MOST])
    return [each for each in unique if each in chosen]


def hits(text: str, about: str) -> bool:
    return bool(stems(text) & (stems(about) - COMMON))


def urls(text: str) -> list[str]:
    return [url.rstrip(".,;:") for url in URL.findall(text)]


def title(prompt: str) -> str:
    first = next(iter(prompt.strip().splitlines()), "").strip() or "Draft"
    return escaped(first if len(first) <= 80 else first[:79].rstrip() + "…")


def escaped(text: str) -> str:
    """Escape the text so that Markdown shows it literally."""
    return "".join(f"\\{sign}" if sign in r"\`*_[]<>|#!" else sign for sign in text)
