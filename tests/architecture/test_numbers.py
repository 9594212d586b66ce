"""House numbers: lengths of modules and functions, and types on every function."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.architecture.code import ROOT, modules

LONGEST_MODULE, LONGEST_FUNCTION = 400, 60

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions() -> Iterator[tuple[str, Function]]:
    for path in modules():
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            if isinstance(node, Function):
                yield f"{path}:{node.lineno} {node.name}", node


def test_no_module_is_too_long():
    lengths = {str(path): len((ROOT / path).read_text().splitlines()) for path in modules()}

    assert len(lengths) > 50
    assert {path: length for path, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_no_function_is_too_long():
    lengths = {where: (node.end_lineno or 0) - node.lineno + 1 for where, node in functions()}

    assert {where: length for where, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def test_most_modules_and_functions_are_short():
    module_lengths = sorted(len((ROOT / path).read_text().splitlines()) for path in modules())
    function_lengths = sorted((node.end_lineno or 0) - node.lineno + 1 for _, node in functions())

    assert module_lengths[int(len(module_lengths) * 0.9)] <= 250
    assert function_lengths[int(len(function_lengths) * 0.9)] <= 25


def test_every_function_says_its_types():
    def is_typed(node: Function) -> bool:
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        arguments += [extra for extra in (node.args.vararg, node.args.kwarg) if extra]
        named = [argument for argument in arguments if argument.arg not in ("self", "cls")]
        return node.returns is not None and all(argument.annotation for argument in named)

    assert [where for where, node in functions() if not is_typed(node)] == []
