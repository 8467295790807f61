"""The fingerprint of a function: its code and everything that it reaches.

Two functions with one fingerprint compile to the same machine code. Comments, names of files and line
numbers do not count; a constant, a helper, a helper's helper do.
"""

import enum
import hashlib
import sys
import sysconfig
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

_HERE = Path(__file__).resolve().parents[1]
_OURS = tuple(
    _HERE / name for name in ("__init__.py", "adapters", "api", "configs", "engine", "kernels", "store")
)
_RULES = _HERE / "engine" / "strategies"
_INSTALLED = tuple(
    Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


def is_library(value: Any) -> bool:
    """Whether a module, function or class is ours or a library's, by the file it lies in: a helper of the
    author's may have the name of a standard module, and a rule may lie anywhere, in our checkout too."""
    if isinstance(value, types.FunctionType):
        origin: str | None = value.__code__.co_filename
    else:
        name = value.__name__ if isinstance(value, types.ModuleType) else str(value.__module__)
        module = value if isinstance(value, types.ModuleType) else sys.modules.get(name)
        origin = getattr(module, "__file__", None)
    if origin is None:  # built in; or of a module of the author's, which did not stay imported
        return name.partition(".")[0] in sys.builtin_module_names
    path = Path(origin).resolve()
    if any(map(path.is_relative_to, _OURS)):
        return not path.is_relative_to(_RULES)
    return path.is_relative_to(Path(np.__file__).parents[1]) or any(map(path.is_relative_to, _INSTALLED))


def fingerprint(function: Callable[..., Any]) -> str:
    """Digest of the code that `function` reaches."""
    parts: list[str] = []
    _walk(function, "rule", parts, set())
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()


def _leaf(value: Any) -> str | None:
    """A value's content as text, if it has no parts; None otherwise."""
    if isinstance(value, np.generic):
        return f"{value.dtype}:{value.tobytes().hex()}"
    if isinstance(value, np.ndarray):
        content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return f"array:{value.dtype}:{value.shape}:{content}"
    if isinstance(value, enum.Enum):
        return f"{type(value).__qualname__}.{value.name}:{value.value!r}"
    if isinstance(value, bool | int | float | complex | str | bytes | None):
        return f"{type(value).__name__}:{value!r}"
    return None


def _walk(value: Any, where: str, parts: list[str], seen: set[int]) -> None:
    value = getattr(value, "py_func", value)
    leaf = _leaf(value)
    if leaf is not None:
        parts.append(f"{where}={leaf}")
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
        if is_library(value):
            parts.append(f"{where}=library:{value.__module__}.{value.__qualname__}")
            return
        _walk_code(value.__code__, value.__globals__, where, parts, seen)
        for i, cell in enumerate(value.__closure__ or ()):
            _walk(cell.cell_contents, f"{where}.cell{i}", parts, seen)
        _walk(value.__defaults__ or (), f"{where}.defaults", parts, seen)
    elif isinstance(value, type):
        parts.append(f"{where}=type:{value.__module__}.{value.__qualname__}:{getattr(value, '_fields', '')}")
        if not is_library(value):
            for name, item in sorted(vars(value).items()):
                if not name.startswith("__"):
                    _walk(item, f"{where}.{name}", parts, seen)
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
    if is_library(value):
        return
    for name in names:
        if name in vars(value) and vars(value)[name] is not value:
            _walk_reached(vars(value)[name], names, f"{where}.{name}", parts, seen)


def reached(function: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    """Name and value of everything of the author's that a function reaches, itself first."""
    waiting: list[tuple[str, Any]] = [(function.__name__, function)]
    seen: set[int] = set()
    while waiting:
        name, value = waiting.pop(0)
        value = getattr(value, "py_func", value)  # decorated by the author
        if id(value) in seen:
            continue
        seen.add(id(value))
        yield name, value
        if isinstance(value, types.FunctionType) and not is_library(value):
            cells = zip(value.__code__.co_freevars, value.__closure__ or (), strict=False)
            waiting += [(variable, cell.cell_contents) for variable, cell in cells]
            waiting += _mentioned(value.__globals__, value.__code__.co_names, "")


def _mentioned(scope: Mapping[str, Any], names: tuple[str, ...], prefix: str) -> list[tuple[str, Any]]:
    """What code means by its names: values of a scope, and of the author's modules in it."""
    found = []
    for name in names:
        if name not in scope:
            continue
        value = scope[name]
        found.append((f"{prefix}{name}", value))
        if isinstance(value, types.ModuleType) and not is_library(value):
            found += _mentioned(vars(value), tuple(n for n in names if n != name), f"{prefix}{name}.")
    return found


def mentions(function: Callable[..., Any], words: Mapping[str, Any]) -> bool:
    """Whether a function, or anything of the author's that it reaches, reads one of these words.

    A word is found by its name, be it of a global, a module's or an attribute, and its value (None: it has
    none) under any other name.
    """
    meant = {id(getattr(value, "py_func", value)) for value in words.values() if value is not None}
    return any(
        id(value) in meant
        or (
            isinstance(value, types.FunctionType)
            and not is_library(value)
            and not words.keys().isdisjoint(_names(value.__code__))
        )
        for _, value in reached(function)
    )


def _names(code: types.CodeType) -> Iterator[str]:
    """Names of globals and attributes in code, that of inner functions included."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _names(inner)


def reached_arrays(function: Callable[..., Any]) -> dict[str, int]:
    """Arrays and tuples of numbers that a function reads, fixed when its file was loaded, and their sizes."""
    return {
        name: int(np.size(value))
        for name, value in reached(function)
        if isinstance(value, np.ndarray | tuple | list)
    }
