"""From a rule to machine code: a generated module per strategy, compiled once.

The module's file is named by a digest of its text, of the rule and all it reaches, of our kernels and of the
libraries' versions: a second process finds the machine code that the first one left, an edit anywhere finds
none, and undoing the edit finds the old one.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from numba import njit

from ..kernels import decorator
from ..kernels.generated import load_generated
from ..kernels.intent import Intent, enter_short
from .codegen import Layout, Variant, module_text
from .compile_ahead import compiling_indicators
from .errors import StrategyError
from .fingerprint import fingerprint, is_library, mentions
from .strategy import Strategy


@dataclass(frozen=True)
class Compiled:
    """A strategy's ``advance`` and the layout of its blocks."""

    strategy: Strategy
    variant: Variant  # `shorts` as the rule needs it
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
    variant = replace(variant, shorts=variant.shorts or needs_shorts(strategy))
    layout = Layout(variant.n_lanes, tuple(strategy.params), strategy.read_features)
    text = module_text(layout, variant)
    digest = hashlib.sha256()
    for part in (text, fingerprint(strategy.decide), decorator.sources_digest()):
        digest.update(part.encode())
    key = digest.hexdigest()[:24]
    with compiling_indicators(strategy):
        module = _load(strategy, text, key)
    return Compiled(strategy, variant, layout, key, Path(str(module.__file__)), module.advance)


def needs_shorts(strategy: Strategy) -> bool:
    """Whether the rule, or a helper of its author's, can sell short or reads what is kept for shorts alone.

    Whoever makes an `Intent` by hand may give it any side.
    """
    return mentions(strategy.decide, {"enter_short": enter_short, "Intent": Intent, "lowest_low": None})


def _load(strategy: Strategy, text: str, key: str) -> ModuleType:
    name = f"fluxhero_generated_{key}"

    def rule() -> Callable[..., Any]:
        return compiled_rule(strategy.decide, name)

    try:
        return load_generated(name, "strategies", text, rule, warm_up=True)
    except Exception as error:  # Numba raises of all kinds for what it does not know
        raise StrategyError(f"{strategy.path}: `decide` cannot be compiled: {_first_lines(error)}") from error


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
