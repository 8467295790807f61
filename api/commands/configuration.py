"""The settings of a sweep: a configuration file, refined by the options of the command line."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...engine.errors import ParameterError
from .console import note

if TYPE_CHECKING:
    import xarray as xr

    from ...engine.config import SweepConfig

DEFAULT = "demo"
DECISION_TIMEFRAME = "1h"  # of a command without a configuration, where the bars are not longer


def sweep_config(
    config: str | None,
    *,
    own: Mapping[str, Any],
    grid: Mapping[str, Any],
    settings: Mapping[str, Any],
    default_costs: str,
) -> "SweepConfig":
    """Settings of a sweep.

    Parameters
    ----------
    config : str, optional
        A shipped name or a YAML file; default the demo.
    own : mapping
        Settings that replace the configuration's: ``strategy``, ``costs``, ``initial_cash``, ...
    grid : mapping
        Axes that replace all of the configuration's, if there are any.
    settings : mapping
        Nested settings that refine everything else (``--set``).
    default_costs : str
        Profile of the costs where nobody names one, and what single costs refine.

    Raises
    ------
    ConfigError
        If a setting is missing, unknown or not allowed; names the file it comes from.
    ParameterError
        If another strategy than the demo's comes without a grid.
    """
    from ...engine.checked import SettingError
    from ...engine.config import SweepConfig, from_json
    from ...engine.documents import display_name, find, read_document, refine

    path = find(config or DEFAULT, "", ("config",))
    base = read_document(path, "")
    values = dict(own)
    is_other = config is None and values.get("strategy", base.values["strategy"]) != base.values["strategy"]
    if is_other and not grid and "grid" not in settings:
        raise ParameterError(_grid_wanted(values["strategy"]))
    if is_other:
        values["params"] = _without(base.values.get("params"))
    if is_other or grid:
        values["grid"] = _without(base.values.get("grid")) | dict(grid)
        values.setdefault("heat_map_axes", None)
    if "strategy" not in values and isinstance(base.values.get("strategy"), str):
        values["strategy"] = _beside(base.values["strategy"], base.origin(("strategy",)))
    document = refine({"base": str(path.resolve()), **_overlaid(values, settings)}, "")
    if isinstance(axes := document.values.get("grid"), dict):
        # In the order of the command line, not of the configuration that they replace.
        document.values["grid"] = {name: axes[name] for name in {**grid, **axes} if name in axes}
    costs = document.values.get("costs")
    if costs is None:
        document.values["costs"] = default_costs
    elif isinstance(costs, dict):
        document.values["costs"] = {"base": default_costs, **costs}
    try:
        return from_json(json.dumps(document.values, default=str), SweepConfig)
    except SettingError as error:
        source = error.source or display_name(document.origin(error.key))
        raise SettingError(error.key, error.text, source) from None


def _without(names: Any) -> dict[str, Any]:
    """What takes keys away when it is merged onto them."""
    return dict.fromkeys(names) if isinstance(names, Mapping) else {}


def _overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Settings refined by others; a mapping onto a profile's name refines the profile."""
    merged = dict(below)
    for name, value in above.items():
        former = merged.get(name)
        if isinstance(value, Mapping) and isinstance(former, Mapping):
            merged[name] = _overlaid(former, value)
        elif isinstance(value, Mapping) and isinstance(former, str):
            merged[name] = {"base": former, **value}
        else:
            merged[name] = value
    return merged


def _beside(strategy: str, file: Path | None) -> str:
    """A strategy file that a configuration names, found from the configuration's folder."""
    path = Path(strategy)
    if file is None or path.suffix != ".py" or path.is_absolute():
        return strategy
    beside = file.parent / path
    return str(beside) if beside.is_file() else strategy


def _grid_wanted(strategy: str) -> str:
    """The error for a strategy that comes without axes: says which it could have."""
    from ...engine.strategy import load_strategy

    loaded = load_strategy(strategy)
    if not loaded.params:
        return f"strategy {loaded.name!r} has no parameters to sweep; run it with fluxhero backtest"
    name, param = next(iter(loaded.params.items()))
    known = ", ".join(f"{name} [{param.low:g}, {param.high:g}]" for name, param in loaded.params.items())
    return (
        f"strategy {loaded.name!r} needs a grid, such as --grid {name}={param.low:g}:{param.high:g}:5; "
        f"it has {known}"
    )


def fitting_timeframe(wanted: str | None, market: "xr.Dataset", *, is_explicit: bool) -> str | None:
    """The decision timeframe, lengthened to the bars' own where nobody insisted on a shorter one."""
    from ...engine.timeframe import timeframe_ns

    bars = str(market.attrs["timeframe"])
    if wanted is None or is_explicit or timeframe_ns(wanted) >= timeframe_ns(bars):
        return wanted
    note(f"decisions are made on {bars} bars: the data has none of {wanted}")
    return bars


def costs_profile(market: "xr.Dataset") -> str:
    """The profile of costs that goes with the market's asset class."""
    return "crypto" if str(market["asset_class"].values[0]) == "crypto" else "us_equity"
