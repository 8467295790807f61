"""Strategies: what a strategy file says, loaded and checked.

A strategy is one Python file that anybody can read::

    PARAMS = {"lookback": Param(20, 2, 500, "bars"), "stop": Param(0.03, 0.001, 0.5)}
    FEATURES = {"mean": Feature("sma", lookback="lookback")}
    REASONS = {1: "close above its mean", 2: "close below its mean"}

    def decide(bar, x, p, position):
        if position.qty > 0.0:
            if bar.close < x.mean:
                return leave(2)
        elif bar.close > x.mean:
            return enter(p.stop * bar.close, 0.01, 1)
        return hold()

``decide`` is plain Python; the engine compiles it. ``bar`` is the finished bar of the decision timeframe,
``x`` the features, ``p`` the parameters, ``position`` the lane's own position (``qty`` below zero is short).
It is not called while one of the features that it reads is unknown (NaN). It answers with one of the words of
``kernels/README.md``: ``enter``, ``leave``, ``trail``, ``hold`` and so on. A file may bring its own model of
slippage, ``slippage(side, qty, price, mean_volume, costs)``, a fraction of the price.
"""

import dis
import hashlib
import importlib.util
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..kernels.intent import (
    PROFILE_STOP,
    Intent,
    aim,
    at_limit,
    at_stop,
    cancel,
    enter,
    enter_short,
    good_for_day,
    hold,
    leave,
    scored,
    target_weight,
    trail,
    unprotected,
    with_target,
    with_trailing,
)
from ..kernels.registry import INDICATORS, IndicatorParam
from ..kernels.varying import MOST_LOOKBACKS
from .errors import NotFoundError, ParameterError, StrategyError
from .rule_checks import check_rule
from .timeframe import TIMEFRAMES_NS
from .validation import SERIES_TAKEN
from .wall_clock import TIME_FIELDS

__all__ = [
    "PROFILE_STOP",
    "Feature",
    "Intent",
    "Param",
    "Series",
    "Strategy",
    "Varying",
    "aim",
    "at_limit",
    "at_stop",
    "builtin_strategies",
    "cancel",
    "enter",
    "enter_short",
    "good_for_day",
    "hold",
    "leave",
    "load_strategy",
    "scored",
    "target_weight",
    "trail",
    "unprotected",
    "with_target",
    "with_trailing",
]

BAR_FIELDS = ("open", "high", "low", "close", "volume")
SERIES = BAR_FIELDS + TIME_FIELDS  # what a feature may read beside other features
# A feature stands beside these in the rule's bar and in the table of decisions.
TAKEN = frozenset({*SERIES, "symbol", "action", "reason", "qty", "stop_price", "outcome"})

_HERE = Path(__file__).resolve().parent / "strategies"


@dataclass(frozen=True)
class Param:
    """One knob of a rule: its default, its bounds, its unit; `choices` names whole-number values."""

    default: float
    low: float
    high: float
    unit: str = ""
    doc: str = ""
    choices: Mapping[str, int] | None = None

    def check(self, name: str, value: Any) -> float:
        """Return `value` as a float, or raise `ParameterError` naming what is allowed."""
        if self.choices is not None:
            if isinstance(value, str) and value in self.choices:
                return float(self.choices[value])
            if value not in self.choices.values():
                allowed = ", ".join(f"{word!r} ({code})" for word, code in self.choices.items())
                raise ParameterError(f"parameter `{name}` was {value!r}, must be one of {allowed}")
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise ParameterError(f"parameter `{name}` was {value!r}, must be a number") from None
        if not self.low <= number <= self.high:  # also refuses NaN
            unit = f" {self.unit}" if self.unit else ""
            raise ParameterError(
                f"parameter `{name}` was {number:g}, must lie in [{self.low:g}, {self.high:g}]{unit}"
            )
        return number


@dataclass(frozen=True)
class Series:
    """A named column that comes from outside: the market's series of that name (`with_series`), as it is.

    It stands in FEATURES beside features, and in what they read: ``Feature("sma", on=Series("mood"))``.

    Parameters
    ----------
    name : str
        Of the market's series.
    unknown : float, optional
        Stands in where the value is NaN; without it a rule that reads the series is not asked there.
    timeframe : str, optional
        Bars at whose completion it is looked at: the value is that of the row of time on which the bar became
        complete. Default as for a `Feature`.
    doc : str
        What the values mean; an error about a market without them says so.
    """

    name: str
    unknown: float | None = None
    timeframe: str | None = None
    doc: str = field(default="", compare=False, repr=False)

    @property
    def sources(self) -> tuple["str | Feature | Series", ...]:
        """What it reads of other features: nothing."""
        return ()

    def on_timeframe(self, timeframe: str) -> "Series":
        """The same on other bars."""
        return replace(self, timeframe=timeframe)


@dataclass(frozen=True)
class Varying:
    """A lookback that changes bar by bar: each bar's value is that of the indicator with the bar's lookback.

    `period` names what says how long: a feature, or a `Feature` or `Series` without a name. It is rounded
    half up and kept within `low` and `high`, both included; the feature is unknown until the longest is
    known. Every lookback in between is computed, so keep them close. (An average that goes on from its last
    value with another smoothing instead is ``adaptive_ema``.)
    """

    period: "str | Feature | Series"
    low: int
    high: int


@dataclass(frozen=True, init=False)
class Feature:
    """A named column that a rule reads: an indicator over bar fields or over other features.

    Parameters
    ----------
    indicator : str
        Name in the registry, such as ``"atr"``.
    on : str, Feature, Series or a tuple of them, optional
        What it reads: fields of the bar and its times, names of other features, or features and series from
        outside that need no name. Default: the indicator's own inputs.
    output : str, optional
        Which output, for indicators with several; default the first.
    timeframe : str, optional
        Bars that it is computed on; default the decision timeframe, or that of the feature which reads it
        where it has no name. A value of a longer bar is visible once that bar is complete.
    **settings : float, str or Varying
        The indicator's parameters: numbers, names of the strategy's parameters, or one that changes.
    """

    indicator: str
    on: tuple["str | Feature | Series", ...] | None
    output: str | None
    timeframe: str | None
    settings: Mapping[str, float | str | Varying]

    def __init__(
        self,
        indicator: str,
        *,
        on: "str | Feature | Series | tuple[str | Feature | Series, ...] | None" = None,
        output: str | None = None,
        timeframe: str | None = None,
        **settings: float | str | Varying,
    ) -> None:
        object.__setattr__(self, "indicator", indicator)
        object.__setattr__(self, "on", (on,) if isinstance(on, str | Feature | Series) else on)
        object.__setattr__(self, "output", output)
        object.__setattr__(self, "timeframe", timeframe)
        object.__setattr__(self, "settings", dict(settings))

    @property
    def sources(self) -> tuple["str | Feature | Series", ...]:
        """What it reads, the periods of its lookbacks included."""
        inputs = self.on if self.on is not None else INDICATORS[self.indicator].inputs
        periods = (value.period for value in self.settings.values() if isinstance(value, Varying))
        return (*inputs, *periods)

    def with_setting(self, name: str, value: float) -> "Feature":
        """The same with another value of one parameter."""
        settings = {**self.settings, name: value}
        return Feature(self.indicator, on=self.on, output=self.output, timeframe=self.timeframe, **settings)

    def on_timeframe(self, timeframe: str) -> "Feature":
        """The same on other bars."""
        return Feature(self.indicator, on=self.on, output=self.output, timeframe=timeframe, **self.settings)


@dataclass(frozen=True)
class Strategy:
    """A loaded and checked strategy."""

    name: str
    path: Path
    doc: str
    params: Mapping[str, Param]
    features: Mapping[str, Feature | Series]
    reasons: Mapping[int, str]
    modes: Mapping[int, str]
    decide: Callable[..., Intent] = field(repr=False)
    read_features: tuple[str, ...]  # the features that `decide` reads, in the order of FEATURES
    slippage: Callable[..., float] | None = field(default=None, repr=False)  # instead of ours

    @property
    def is_builtin(self) -> bool:
        """Whether it came with FluxHero, so that its name is enough to find it."""
        return self.path.parent == _HERE

    @property
    def series(self) -> dict[str, str]:
        """Series from outside that its features read, and what they mean."""
        return {found.name: found.doc for feature in self.features.values() for found in _series_of(feature)}

    def defaults(self) -> dict[str, float]:
        """Every parameter at its default."""
        return {name: float(param.default) for name, param in self.params.items()}

    def check_params(self, values: Mapping[str, Any]) -> dict[str, float]:
        """All parameters, `values` checked and the rest at their defaults."""
        checked = self.defaults()
        for name, value in values.items():
            if name not in self.params:
                raise ParameterError(
                    f"strategy {self.name!r} has no parameter `{name}`; it has {', '.join(self.params)}"
                )
            checked[name] = self.params[name].check(name, value)
        return checked

    def reason(self, code: float) -> str:
        """The sentence of a reason code; empty for 0."""
        return "" if code == 0 else self.reasons.get(int(code), f"reason {int(code)}")

    def mode(self, code: float) -> str:
        """The name of a position's mode."""
        return self.modes.get(int(code), "" if code == 0 else f"mode {int(code)}")


def _series_of(feature: Feature | Series) -> Iterator[Series]:
    if isinstance(feature, Series):
        yield feature
    for source in feature.sources:
        if not isinstance(source, str):
            yield from _series_of(source)


def builtin_strategies() -> tuple[str, ...]:
    """Names of the strategies that come with FluxHero."""
    return tuple(sorted(path.stem for path in _HERE.glob("*.py") if path.stem != "__init__"))


def load_strategy(name_or_path: str | Path | Strategy) -> Strategy:
    """Load a strategy by name (ours) or by the path of a file (anybody's), and check it.

    Raises
    ------
    NotFoundError
        If there is no such strategy or file.
    StrategyError
        If the file does not run, or does not say what a strategy must.
    """
    if isinstance(name_or_path, Strategy):
        return name_or_path
    path = Path(name_or_path)
    if path.suffix != ".py":
        path = _HERE / f"{name_or_path}.py"
        if not path.is_file():
            known = ", ".join(builtin_strategies())
            raise NotFoundError(
                f"there is no strategy {str(name_or_path)!r}; known are {known}, or the path of a .py file"
            )
        module = importlib.import_module(f"..strategies.{path.stem}", __name__)
    else:
        if not path.is_file():
            raise NotFoundError(f"strategy file {str(path)!r} does not exist")
        path = path.resolve()
        module = _import_file(path)
    return _checked(module, path)


def _import_file(path: Path) -> ModuleType:
    """Run a user's file under a private name; its siblings are importable, and do not stay imported."""
    content = path.read_bytes()
    name = f"fluxhero_user_{hashlib.sha256(str(path).encode() + content).hexdigest()[:16]}"
    before = set(sys.modules)
    writes_bytecode = sys.dont_write_bytecode
    sys.path.insert(0, str(path.parent))
    sys.dont_write_bytecode = True
    try:
        importlib.invalidate_caches()
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise StrategyError(f"{path}: cannot be read as a Python file")
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            line = _line_in(error, path)
            raise StrategyError(f"{path}{line}: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(path.parent))
        sys.dont_write_bytecode = writes_bytecode
        # A sibling loaded for this strategy must not answer for the next one of the same name.
        for other in set(sys.modules) - before:
            origin = getattr(sys.modules[other], "__file__", None)
            if origin and Path(origin).resolve().is_relative_to(path.parent):
                del sys.modules[other]
    return module


def _line_in(error: BaseException, path: Path) -> str:
    """``:line`` of `path` where the error arose, if it did there."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f":{error.lineno}"
    trace, line = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f":{line}" if line else ""


def _checked(module: ModuleType, path: Path) -> Strategy:
    def part(name: str, kind: type, default: Any = None) -> Any:
        value = getattr(module, name, default)
        if value is None:
            raise StrategyError(f"{path}: `{name}` is missing")
        if not isinstance(value, kind):
            raise StrategyError(f"{path}: `{name}` is a {type(value).__name__}, must be a dict")
        return value

    params = part("PARAMS", Mapping, {})
    features = part("FEATURES", Mapping, {})
    reasons = part("REASONS", Mapping, {})
    modes = part("MODES", Mapping, {})
    decide = getattr(module, "decide", None)
    if decide is None:
        raise StrategyError(f"{path}: `decide(bar, x, p, position)` is missing")
    code = getattr(decide, "__code__", None)
    if code is None or code.co_varnames[: code.co_argcount] != ("bar", "x", "p", "position"):
        raise StrategyError(f"{path}: `decide` must be a plain function decide(bar, x, p, position)")
    check_rule(path, decide)
    for name, param in params.items():
        _check_param(path, name, param)
    check_features(path, features, params)
    for key in (*reasons, *modes):
        if not isinstance(key, int) or not 0 < key < 1_000_000:
            raise StrategyError(
                f"{path}: codes in REASONS and MODES are whole numbers from 1, one was {key!r}"
            )
    _check_attributes(path, decide, "p", params, "parameter")
    used = _check_attributes(path, decide, "x", features, "feature")
    read = tuple(name for name in features if used is None or name in used)
    return Strategy(
        name=path.stem,
        path=path,
        doc=(module.__doc__ or "").strip(),
        params=dict(params),
        features=dict(features),
        reasons=dict(reasons),
        modes=dict(modes),
        decide=decide,
        read_features=read,
        slippage=_slippage(module, path),
    )


def _slippage(module: ModuleType, path: Path) -> Callable[..., float] | None:
    """The file's own model of slippage, if it has one."""
    own: Any = getattr(module, "slippage", None)
    if own is None:
        return None
    code = getattr(own, "__code__", None)
    names = ("side", "qty", "price", "mean_volume", "costs")
    if code is None or code.co_varnames[: code.co_argcount] != names:
        raise StrategyError(f"{path}: `slippage` must be a plain function slippage({', '.join(names)})")
    check_rule(path, own, "slippage")
    model: Callable[..., float] = own
    return model


def check_features(path: Path, features: Mapping[str, Feature | Series], params: Mapping[str, Param]) -> None:
    """Raise StrategyError, naming `path`, unless features have fit names, inputs and settings."""
    for name, feature in features.items():
        _check_identifier(path, "feature", name)
        if name in TAKEN:
            raise StrategyError(
                f"{path}: feature `{name}` has the name of a bar field or of a decision's column"
            )
        _check_feature(path, name, feature, params, features)


def _check_identifier(path: Path, what: str, name: Any) -> None:
    if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
        raise StrategyError(f"{path}: {what} {name!r} must be a plain Python name")


def _check_param(path: Path, name: Any, param: Any) -> None:
    _check_identifier(path, "parameter", name)
    if not isinstance(param, Param):
        raise StrategyError(f"{path}: PARAMS[{name!r}] is a {type(param).__name__}, must be a Param(...)")
    bounds_ok = all(math.isfinite(value) for value in (param.default, param.low, param.high))
    if not bounds_ok or not param.low <= param.default <= param.high:
        raise StrategyError(
            f"{path}: parameter `{name}` has default {param.default} outside [{param.low}, {param.high}]"
        )


def _check_feature(
    path: Path, name: str, feature: Any, params: Mapping[str, Param], features: Mapping[str, Feature | Series]
) -> None:
    if isinstance(feature, Series):
        _check_series(path, name, feature)
        return
    if not isinstance(feature, Feature):
        raise StrategyError(
            f"{path}: FEATURES[{name!r}] is a {type(feature).__name__}, must be a Feature(...) "
            "or a Series(...)"
        )
    indicator = INDICATORS.get(feature.indicator)
    if indicator is None:
        known = ", ".join(sorted(INDICATORS))
        raise StrategyError(
            f"{path}: feature `{name}`: no indicator {feature.indicator!r}; known are {known}"
        )
    if feature.output is not None and feature.output not in indicator.outputs:
        raise StrategyError(
            f"{path}: feature `{name}`: {feature.indicator!r} has no output {feature.output!r}; "
            f"it has {', '.join(indicator.outputs)}"
        )
    _check_timeframe(path, name, feature.timeframe)
    _check_settings(path, name, feature, params)
    if not isinstance(feature.on, tuple | None):
        raise StrategyError(
            f"{path}: feature `{name}`: `on` is {feature.on!r}, must be a name, a Feature, a Series "
            "or a tuple of them"
        )
    inputs = feature.on if feature.on is not None else indicator.inputs
    if len(inputs) != len(indicator.inputs):
        raise StrategyError(
            f"{path}: feature `{name}`: {feature.indicator!r} reads {len(indicator.inputs)} series "
            f"({', '.join(indicator.inputs)}), `on` names {len(inputs)}"
        )
    for source in feature.sources:
        if isinstance(source, Feature | Series):
            _check_feature(path, name, source, params, features)
        elif not isinstance(source, str) or (source not in SERIES and source not in features):
            raise StrategyError(
                f"{path}: feature `{name}` reads {source!r}, which is neither a bar field "
                f"({', '.join(SERIES)}) nor a feature; name it with `on=`; a market's series is Series(name)"
            )


def _check_series(path: Path, name: str, series: Series) -> None:
    where = f"{path}: feature `{name}`"
    _check_identifier(path, "series", series.name)
    if series.name in SERIES_TAKEN:
        hint = f"; `decide` reads it as `bar.{series.name}`" if series.name in BAR_FIELDS else ""
        raise StrategyError(f"{where}: Series({series.name!r}) is no series but the market's own{hint}")
    if series.unknown is not None and (isinstance(series.unknown, bool) or not _is_number(series.unknown)):
        raise StrategyError(f"{where}: `unknown` was {series.unknown!r}, must be a finite number or None")
    _check_timeframe(path, name, series.timeframe)


def _check_timeframe(path: Path, name: str, timeframe: str | None) -> None:
    if timeframe is not None and timeframe not in TIMEFRAMES_NS:
        raise StrategyError(
            f"{path}: feature `{name}`: timeframe {timeframe!r} is unknown; "
            f"known are {', '.join(TIMEFRAMES_NS)}"
        )


def _check_settings(path: Path, name: str, feature: Feature, params: Mapping[str, Param]) -> None:
    known = {param.name: param for param in INDICATORS[feature.indicator].params}
    for key, value in feature.settings.items():
        if key not in known:
            raise StrategyError(
                f"{path}: feature `{name}`: {feature.indicator!r} has no parameter {key!r}; "
                f"it has {', '.join(known) or 'none'}"
            )
        if isinstance(value, Varying):
            _check_varying(path, name, feature, known[key], value)
        if not isinstance(value, str | Varying) and (isinstance(value, bool) or not _is_number(value)):
            raise StrategyError(
                f"{path}: feature `{name}`: {key} is {value!r}, must be a number, the name of a parameter or "
                "a Varying"
            )
        if isinstance(value, str) and value not in params:
            raise StrategyError(
                f"{path}: feature `{name}`: {key}={value!r} names no parameter; there are {', '.join(params)}"
            )
    if sum(isinstance(value, Varying) for value in feature.settings.values()) > 1:
        raise StrategyError(f"{path}: feature `{name}`: only one parameter of a feature may vary")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and math.isfinite(value)


def _check_varying(path: Path, name: str, feature: Feature, param: IndicatorParam, varying: Varying) -> None:
    where = f"{path}: feature `{name}` ({feature.indicator}): `{param.name}`"
    if not param.is_int:
        raise StrategyError(f"{where} cannot vary: it is not a number of bars")
    lowest = max(2, int(param.low))
    whole = all(isinstance(edge, int | np.integer) for edge in (varying.low, varying.high))
    if not (whole and lowest <= varying.low <= varying.high <= param.high):
        raise StrategyError(
            f"{where} varies from {varying.low!r} to {varying.high!r}, must be whole numbers "
            f"from {lowest} to {param.high:g}, the lower one first"
        )
    if varying.high - varying.low >= MOST_LOOKBACKS:
        raise StrategyError(
            f"{where} varies over {varying.high - varying.low + 1} lookbacks, at most {MOST_LOOKBACKS}"
        )


def _check_attributes(
    path: Path, decide: Callable[..., Any], argument: str, known: Iterable[str], what: str
) -> set[str] | None:
    """Attributes that `decide` reads of `argument`; None if it hands the whole argument on."""
    instructions = list(dis.get_instructions(decide))
    read: set[str] = set()
    whole = False
    for this, following in pairwise(instructions):
        names = this.argval if isinstance(this.argval, tuple) else (this.argval,)
        if this.opname.startswith("STORE_FAST"):  # Python 3.13 stores and loads in one
            names = names[1:] if this.opname == "STORE_FAST_LOAD_FAST" else ()
        if "LOAD_FAST" not in this.opname or argument not in names:
            continue
        if names[-1] == argument and following.opname == "LOAD_ATTR":
            attribute = following.argval
            if attribute not in known:
                raise StrategyError(
                    f"{path}: `decide` reads `{argument}.{attribute}`, but there is no such {what}; "
                    f"there are {', '.join(known) or 'none'}"
                )
            read.add(attribute)
        else:
            whole = True
    return None if whole else read
