"""Form of docstrings, see tests/architecture/docstrings.py."""

from __future__ import annotations

import ast

import pytest

from tests.architecture.docstrings import all_problems, docstrings, problem, python_files


def test_docstrings_begin_with_a_verb_or_a_noun_and_are_short():
    assert len(python_files()) > 500
    assert all_problems() == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Return the rows of the team.", ""),
        ("In-memory store of one process.", ""),
        ("`make test`: run pytest on everything or on one part.", ""),
        ("", ""),
        ("What came of the write.", "begins with “What”"),
        ("It’s the row.", "begins with “It’s”"),
        ("Whether the caller may read it.", "begins with “Whether”"),
        ("Returns the row.", "begins with “Returns”"),
        ("Return " + "very " * 18 + "long. Short.", ""),
        ("Return " + "very " * 19 + "long. Short.", "has 21 words in its first sentence"),
        ("Return `a b c d e f g h i j k l m n o p q r s t u` - e.g. as text.", ""),
    ],
)
def test_problem(text, expected):
    assert problem(text) == expected


def test_docstrings_of_modules_classes_functions_and_constants_are_read():
    tree = ast.parse(
        '"""Module."""\nA = 1\n"""Constant."""\nclass B:\n    """Class."""\n    c: int\n    """Field."""\n'
        '    async def d(self):\n        """Function\n        text."""\n        "no docstring"\n'
    )

    found = [(1, "Module."), (3, "Constant."), (5, "Class."), (7, "Field."), (9, "Function text.")]
    assert sorted(docstrings(tree)) == found
