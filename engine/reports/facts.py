"""What was run, in words: strategy, market, period, trials, costs, limits, and the origin of the numbers."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ..run import Run
from .formats import amount, count, day, plural, setting
from .ranking import cube_axes, swept_names, traded_symbols
from .wording import UNSAID, costs_words, execution_words, risk_words

_MOST_SYMBOLS = 24


def run_facts(cube: xr.Dataset, run: Run) -> dict[str, str]:
    """Everything that one must know to judge the figures, by name."""
    attrs = run.market.attrs
    swept = [name for name in swept_names(cube) if "." in name]
    as_swept = f" (the shown trial's: {', '.join(swept)} swept)" if swept else ""
    facts = {
        "Strategy": f"{_strategy(cube, run)}, deciding on {run.decision_timeframe} bars",
        "Market": f"{attrs.get('source', UNSAID)}; {attrs['timeframe']} bars, {_prices(attrs)}",
        "Symbols": _symbols(traded_symbols(cube), _MOST_SYMBOLS),
        "Period": _period(run),
        "Trials": f"{count(n_trials(cube))}: {_axes(cube)}",
        "Account": f"{amount(run.initial_cash)} {_account_words(run)}",
        "Costs": costs_words(run.attrs.get("costs", "")) + as_swept,
        "Execution": execution_words(run.attrs.get("execution", "")),
        "Risk": risk_words(run.attrs.get("risk", "")),
    }
    if "delay_s" in run.attrs and run.decision_timeframe != attrs["timeframe"]:
        delay = setting(float(run.attrs["delay_s"]))
        facts["Fills"] = f"at the first open that begins {delay} seconds or more after the decision"
    return facts


def _account_words(run: Run) -> str:
    return "for all symbols together" if run.is_shared else "for each symbol, apart from the others"


def provenance_facts(cube: xr.Dataset) -> dict[str, str]:
    """What one needs to get the same bits again, by name."""
    attrs = cube.attrs
    versions = json.loads(attrs.get("versions") or "{}")
    return {
        "Created": str(attrs.get("created", UNSAID)),
        "Data": f"SHA-256 {attrs.get('data_hash', UNSAID)}",
        "Code": str(attrs.get("code", UNSAID)),
        "Versions": ", ".join(f"{name} {version}" for name, version in versions.items()) or UNSAID,
    }


def title_words(cube: xr.Dataset, run: Run) -> str:
    """The strategy and what it traded."""
    return f"{cube.attrs.get('strategy', run.strategy)} on {_symbols(traded_symbols(cube), 3)}"


def lead_words(cube: xr.Dataset, run: Run) -> str:
    """How much was tried, on what, when."""
    first, last = _first_and_last_session(run)
    return (
        f"{plural(n_trials(cube), 'trial')} on {plural(len(traded_symbols(cube)), 'symbol')}, "
        f"{first} to {last}, deciding on {run.decision_timeframe} bars"
    )


def is_generated(cube: xr.Dataset, run: Run) -> bool:
    """Whether the market was made up."""
    return bool(cube.attrs.get("generated", run.market.attrs.get("generated", 0)))


def n_trials(cube: xr.Dataset) -> int:
    """Trials of a cube."""
    return int(np.prod([cube.sizes[axis] for axis in cube_axes(cube)], dtype=np.int64))


def _strategy(cube: xr.Dataset, run: Run) -> str:
    name, path = cube.attrs.get("strategy", run.strategy), cube.attrs.get("strategy_path", "")
    return f"{name} ({path})" if path else str(name)


def _prices(attrs: Mapping[str, Any]) -> str:
    words = {
        "raw": "raw prices",
        "adjusted": "adjusted prices",
        "splits and dividends": "prices adjusted for splits and dividends",
    }
    return words.get(str(attrs.get("adjustment")), "whether prices are adjusted is unknown")


def _period(run: Run) -> str:
    first, last = _first_and_last_session(run)
    n_sessions = np.unique(run.market["session"].values).size
    return f"{first} to {last}: {plural(n_sessions, 'session')}, {plural(run.market.sizes['time'], 'bar')}"


def _first_and_last_session(run: Run) -> tuple[str, str]:
    sessions = run.market["session"].values
    return day(sessions[0]), day(sessions[-1])


def _axes(cube: xr.Dataset) -> str:
    parts = []
    for name in swept_names(cube):
        values = cube[name].values
        different = np.unique(values.astype(str) if values.dtype == object else values)
        if different.size == 1:
            parts.append(f"{name} {setting(different[0])}")
        elif values.dtype == object:
            parts.append(f"{name} {', '.join(map(str, values))}")
        else:
            ends = f"{setting(different[0])} to {setting(different[-1])}"
            parts.append(f"{name} {ends} ({count(different.size)} values)")
    return "; ".join(parts) or "every parameter at its default"


def _symbols(symbols: Sequence[str], most: int) -> str:
    if len(symbols) <= most:
        return ", ".join(symbols) or "one account"
    return f"{', '.join(symbols[:most])} and {len(symbols) - most} more"
