"""What a rule may not do, found in its bytecode before anything is compiled.

- A variable that is not set on every path: Python would raise, compiled lanes would read what another lane
  left there.
- A path that ends without an answer.
- Randomness and clocks: a result must be the same tomorrow, and live.
"""

import dis
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .errors import StrategyError
from .fingerprint import is_library, reached

_ENDS = frozenset({"RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE"})
_CHANGING = frozenset({"random", "secrets", "time", "datetime", "uuid", "os"})


def check_rule(path: Path, decide: types.FunctionType, what: str = "decide") -> None:
    """Refuse a rule that the engine could not run as it is meant.

    Raises
    ------
    StrategyError
        With the line and what to do instead.
    """
    for name, value in reached(decide):
        _check_no_chance(path, name, value)
        if not isinstance(value, types.FunctionType) or is_library(value):
            continue
        for line, variable in unset_variables(value.__code__):
            raise StrategyError(
                f"{path}: `{value.__name__}` reads `{variable}` in line {line}, which is not set on every "
                "path that leads there; set it before the `if`"
            )
    for line in _ends_without_answer(decide.__code__):
        raise StrategyError(
            f"{path}: `{what}` may end without an answer (line {line}); "
            + (
                "end it with `return hold()`"
                if what == "decide"
                else "it must return a fraction of the price"
            )
        )


def _check_no_chance(path: Path, name: str, value: Any) -> None:
    if isinstance(value, types.ModuleType):
        home = value.__name__
    else:
        owner = type(getattr(value, "__self__", None))  # `random.random` is a method of a hidden object
        home = str(getattr(value, "__module__", None) or owner.__module__)
    root = home.partition(".")[0]
    if is_numpy_random := home.startswith("numpy.random") or (
        isinstance(value, types.FunctionType) and not is_library(value) and _mentions_numpy_random(value)
    ):
        root = "numpy.random"
    if is_numpy_random or (root in _CHANGING and not isinstance(value, str | int | float)):
        raise StrategyError(
            f"{path}: the rule uses `{name}` ({root}); chance and clocks would give other results "
            "every time, so make what you need a parameter or a feature"
        )


def _mentions_numpy_random(function: types.FunctionType) -> bool:
    names = function.__code__.co_names
    return "random" in names and any(function.__globals__.get(name) is np for name in names)


def unset_variables(code: types.CodeType) -> Iterator[tuple[int, str]]:
    """Line and name of every read of a local variable that some path has not set."""
    n_arguments = code.co_argcount + code.co_kwonlyargcount
    n_arguments += bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)  # *args, **kwargs
    instructions = list(dis.get_instructions(code))
    at = {instruction.offset: i for i, instruction in enumerate(instructions)}
    known: dict[int, frozenset[str]] = {0: frozenset(code.co_varnames[:n_arguments])}
    waiting, found = [0], {}
    while waiting:
        i = waiting.pop()
        instruction = instructions[i]
        loads, stores = _locals(instruction)
        state = known[i]
        for name in loads:
            if name not in state:
                found[instruction.offset] = (_line(instruction), name)
        state = state | stores
        for following in _next(instructions, i, at):
            merged = known[following] & state if following in known else state
            if following not in known or merged != known[following]:
                known[following] = merged
                waiting.append(following)
    # A value that is found unset on one visit may have been read through a state not yet merged: it stays
    # unset, because merging only takes away.
    yield from sorted(found.values())


def _locals(instruction: dis.Instruction) -> tuple[list[str], frozenset[str]]:
    """Local variables that an instruction reads, then those it sets."""
    name, value = instruction.opname, instruction.argval
    names = list(value) if isinstance(value, tuple) else [value]
    if name == "STORE_FAST_LOAD_FAST":
        return [], frozenset(names)  # what it loads was set before or by itself; the order of the two is lost
    if name.startswith("STORE_FAST"):
        return [], frozenset(names)
    if name.startswith("LOAD_FAST") and name != "LOAD_FAST_AND_CLEAR":
        return names, frozenset()
    return [], frozenset()


def _next(instructions: list[dis.Instruction], i: int, at: dict[int, int]) -> list[int]:
    instruction = instructions[i]
    following = []
    if instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs:
        following.append(at[instruction.argval])
        if instruction.opname.startswith("JUMP_"):
            return following
    if instruction.opname not in _ENDS and i + 1 < len(instructions):
        following.append(i + 1)
    return following


def _ends_without_answer(code: types.CodeType) -> Iterator[int]:
    """Lines where a function returns None and can be reached."""
    instructions = list(dis.get_instructions(code))
    at = {instruction.offset: i for i, instruction in enumerate(instructions)}
    reachable, waiting = set[int](), [0]
    while waiting:
        i = waiting.pop()
        if i not in reachable:
            reachable.add(i)
            waiting += _next(instructions, i, at)
    for i in sorted(reachable):
        instruction = instructions[i]
        returns_constant = instruction.opname == "RETURN_CONST" and instruction.argval is None
        loaded = instructions[i - 1]
        returns_loaded = (
            instruction.opname == "RETURN_VALUE" and loaded.opname == "LOAD_CONST" and loaded.argval is None
        )
        if returns_constant or returns_loaded:
            yield _line(instruction)


def _line(instruction: dis.Instruction) -> int:
    positions = instruction.positions
    return positions.lineno or 0 if positions else 0
