"""From a rule to machine code: a generated module per strategy, compiled once.

The module's file is named by a digest of its text, of the rule and all it reaches, of our kernels and of the
libraries' versions: a second process finds the machine code that the first one left, an edit anywhere finds
none, and undoing the edit finds the old one.
"""

import hashlib
import importlib.util
import os
import sys
import tempfile
import threading
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit

from ..kernels import decorator
from .codegen import Layout, Variant, module_text
from .errors import StrategyError
from .fingerprint import fingerprint, is_library
from .strategy import Strategy

_RULES: dict[str, Callable[..., Any]] = {}
_LOADING = threading.Lock()  # a second thread must not find half a module


@dataclass(frozen=True)
class Compiled:
    """A strategy's ``advance`` and the layout of its blocks."""

    strategy: Strategy
    variant: Variant
    layout: Layout
    key: str
    path: Path
    advance: Callable[..., None]


def compile_strategy(strategy: Strategy, variant: Variant) -> Compiled:
    """Generate, load and compile (or fetch from the cache) the loop of a strategy.

    Raises
    ------
    StrategyError
        If the rule uses something that cannot be compiled; the message says where.
    """
    layout = Layout(variant.n_lanes, tuple(strategy.params), strategy.read_features)
    text = module_text(layout, variant)
    digest = hashlib.sha256()
    for part in (text, fingerprint(strategy.decide), decorator.sources_digest()):
        digest.update(part.encode())
    key = digest.hexdigest()[:24]
    with _LOADING:
        advance, path = _load(strategy, text, key)
    return Compiled(strategy, variant, layout, key, path, advance)


@cache
def _generated_folder() -> Path:
    folder = decorator.cache_root() / "strategies"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="fluxhero-"))


def _load(strategy: Strategy, text: str, key: str) -> tuple[Callable[..., None], Path]:
    name = f"fluxhero_generated_{key}"
    path = _generated_folder() / f"{name}.py"
    if name not in sys.modules:
        if not path.is_file() or path.read_text() != text:
            # Written beside and renamed: another process never reads half a module.
            beside = path.with_suffix(f".{os.getpid()}.tmp")
            beside.write_text(text)
            os.replace(beside, path)
        _RULES[name] = compiled_rule(strategy.decide, name)
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise StrategyError(f"{path}: the generated module cannot be loaded; delete the cache folder")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
            module.warm_up()
        except Exception as error:  # Numba raises of all kinds for what it does not know
            del sys.modules[name]
            raise StrategyError(
                f"{strategy.path}: `decide` cannot be compiled: {_first_lines(error)}"
            ) from error
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name].advance, path


def _first_lines(error: Exception) -> str:
    lines = [line.strip() for line in (str(error) or type(error).__name__).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("Failed in", "During:", "- Resolution", "^"))]
    return " ".join(told[:6])


def rule(name: str) -> Callable[..., Any]:
    """The compiled rule that a generated module was written for."""
    return _RULES[name]


def compiled_rule(
    function: Callable[..., Any], module_name: str, known: dict[int, Callable[..., Any]] | None = None
) -> Callable[..., Any]:
    """Compile a plain function and every plain function that it reaches.

    The copies get globals of their own, so that the author's module stays as it was, and the generated
    module's name, so that a later process finds what Numba cached.
    """
    function = getattr(function, "py_func", function)  # decorated by its author: compiled our way instead
    outermost = known is None
    known = {} if known is None else known
    if id(function) in known:
        return known[id(function)]
    scope = dict(function.__globals__)
    copy = types.FunctionType(
        function.__code__, scope, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__module__ = module_name
    # Inlined before LLVM sees it: a rule with several returns stays vectorisable only that way.
    compile_it = njit(nogil=True, error_model="numpy", inline="always") if outermost else decorator.kernel
    known[id(function)] = compiled = compile_it(copy)
    for name in function.__code__.co_names:
        if name in scope:
            scope[name] = _compiled_global(scope[name], function.__code__.co_names, module_name, known)
    return compiled


def _compiled_global(
    value: Any, names: tuple[str, ...], module_name: str, known: dict[int, Callable[..., Any]]
) -> Any:
    if isinstance(getattr(value, "py_func", value), types.FunctionType) and not is_library(
        getattr(value, "py_func", value)
    ):
        return compiled_rule(value, module_name, known)
    if isinstance(value, types.ModuleType) and not is_library(value):
        copy = types.ModuleType(value.__name__)
        vars(copy).update(vars(value))
        for name in names:
            if name in vars(copy):
                setattr(copy, name, _compiled_global(vars(copy)[name], names, module_name, known))
        return copy
    return value
