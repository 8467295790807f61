"""From a rule to machine code: a generated module per strategy, compiled once.

The module's file is named by a digest of its text, of the rule and all it reaches, of our kernels and of the
libraries' versions: a second process finds the machine code that the first one left, an edit anywhere finds
none, and undoing the edit finds the old one.
"""

import gc
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from numba import njit

from ..kernels import decorator
from ..kernels.costs import slippage_fraction
from ..kernels.generated import load_generated
from .codegen import module_text
from .compile_ahead import compiling_indicators
from .errors import StrategyError
from .fingerprint import fingerprint, is_library
from .layout import Layout, Variant
from .strategy import Strategy


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
    layout = Layout(
        variant.n_lanes, tuple(strategy.params), strategy.read_features, variant.facts, variant.shared
    )
    text = module_text(layout, variant)
    digest = hashlib.sha256()
    slippage = "" if strategy.slippage is None else fingerprint(strategy.slippage)
    for part in (text, fingerprint(strategy.decide), slippage, decorator.sources_digest()):
        digest.update(part.encode())
    key = digest.hexdigest()[:24]
    with compiling_indicators(strategy):
        module = _load(strategy, text, key)
    return Compiled(strategy, variant, layout, key, Path(str(module.__file__)), module.advance)


def _load(strategy: Strategy, text: str, key: str) -> ModuleType:
    name = f"fluxhero_generated_{key}"

    def rule() -> tuple[Callable[..., Any], Callable[..., Any]]:
        own = strategy.slippage
        slippage = slippage_fraction if own is None else compiled_rule(own, name)
        return compiled_rule(strategy.decide, name), slippage

    try:
        with _no_garbage_collection():
            return load_generated(name, "strategies", text, rule, warm_up=True)
    except Exception as error:  # Numba raises of all kinds for what it does not know
        what = "`decide`" if strategy.slippage is None else "`decide` or `slippage`"
        raise StrategyError(f"{strategy.path}: {what} cannot be compiled: {_first_lines(error)}") from error


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Compiling makes objects by the million and hardly any garbage; looking for it takes a fifth of it."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _first_lines(error: Exception) -> str:
    lines = [line.strip() for line in (str(error) or type(error).__name__).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("Failed in", "During:", "- Resolution", "^"))]
    return " ".join(told[:6])


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
    copy = FunctionType(
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
    if isinstance(getattr(value, "py_func", value), FunctionType) and not is_library(
        getattr(value, "py_func", value)
    ):
        return compiled_rule(value, module_name, known)
    if isinstance(value, ModuleType) and not is_library(value):
        copy = ModuleType(value.__name__)
        vars(copy).update(vars(value))
        for name in names:
            if name in vars(copy):
                setattr(copy, name, _compiled_global(vars(copy)[name], names, module_name, known))
        return copy
    return value
