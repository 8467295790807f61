"""The fingerprint of a function: its code and everything that it reaches.

Two functions with one fingerprint compile to the same machine code. Comments, names of files and line
numbers do not count; a constant, a helper, a helper's helper do.
"""

import hashlib
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

_LIBRARIES = frozenset({"numpy", "numba", "math", "builtins", "typing", *sys.stdlib_module_names})


def is_library(name: str | None) -> bool:
    """Whether a module is ours or a library's: its version stands for its content."""
    root, _, rest = (name or "").partition(".")
    return root in _LIBRARIES or (root == "fluxhero" and not rest.startswith("engine.strategies"))


def fingerprint(function: Callable[..., Any]) -> str:
    """Digest of the code that `function` reaches."""
    parts: list[str] = []
    _walk(function, "rule", parts, set())
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()


def _walk(value: Any, where: str, parts: list[str], seen: set[int]) -> None:
    value = getattr(value, "py_func", value)
    if isinstance(value, bool | int | float | complex | str | bytes | None):
        parts.append(f"{where}={type(value).__name__}:{value!r}")
        return
    if isinstance(value, np.ndarray):
        content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        parts.append(f"{where}=array:{value.dtype}:{value.shape}:{content}")
        return
    if isinstance(value, tuple | list):
        parts.append(f"{where}={type(value).__name__}:{len(value)}")
        for i, item in enumerate(value):
            _walk(item, f"{where}[{i}]", parts, seen)
        return
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, types.FunctionType):
        if is_library(value.__module__):
            parts.append(f"{where}=library:{value.__module__}.{value.__qualname__}")
            return
        _walk_code(value.__code__, value.__globals__, where, parts, seen)
        for i, cell in enumerate(value.__closure__ or ()):
            _walk(cell.cell_contents, f"{where}.cell{i}", parts, seen)
        _walk(value.__defaults__ or (), f"{where}.defaults", parts, seen)
    elif isinstance(value, type):
        parts.append(f"{where}=type:{value.__module__}.{value.__qualname__}:{getattr(value, '_fields', '')}")
    else:
        parts.append(f"{where}={type(value).__name__}:{getattr(value, '__name__', '')}")


def _walk_code(
    code: types.CodeType, scope: dict[str, Any], where: str, parts: list[str], seen: set[int]
) -> None:
    constants = [item for item in code.co_consts if not isinstance(item, types.CodeType)]
    parts.append(f"{where}=code:{code.co_code.hex()}:{constants!r}:{code.co_names}:{code.co_varnames}")
    for i, inner in enumerate(code.co_consts):
        if isinstance(inner, types.CodeType):
            _walk_code(inner, scope, f"{where}.inner{i}", parts, seen)
    for name in code.co_names:
        if name in scope:
            _walk_reached(scope[name], code.co_names, f"{where}.{name}", parts, seen)


def _walk_reached(value: Any, names: tuple[str, ...], where: str, parts: list[str], seen: set[int]) -> None:
    """A module counts by those of its names that the code mentions."""
    if not isinstance(value, types.ModuleType):
        _walk(value, where, parts, seen)
        return
    parts.append(f"{where}=module:{value.__name__}")
    if is_library(value.__name__):
        return
    for name in names:
        if name in vars(value) and vars(value)[name] is not value:
            _walk_reached(vars(value)[name], names, f"{where}.{name}", parts, seen)


def reached_arrays(function: Callable[..., Any]) -> dict[str, int]:
    """Global arrays and tuples of numbers that a function and its plain helpers read, and their sizes."""
    found: dict[str, int] = {}
    waiting, seen = [function], set()
    while waiting:
        current = waiting.pop()
        if id(current) in seen or is_library(current.__module__):
            continue
        seen.add(id(current))
        for name in current.__code__.co_names:
            value = current.__globals__.get(name)
            if isinstance(value, np.ndarray | tuple):
                found[name] = int(np.size(value))
            elif isinstance(value, types.FunctionType):
                waiting.append(value)
    return found
