"""The result cube: metrics with names on every axis, and where they came from."""

import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numba
import numpy as np
import xarray as xr

from .. import __version__
from ..kernels.types import FloatArray
from .cube import ParameterCube
from .fingerprint import fingerprint
from .market import data_hash
from .setup import Setup
from .strategy import Strategy

COUNTS = frozenset({"n_trades"})


def label_results(
    metrics: Mapping[str, FloatArray], cube: ParameterCube, market: xr.Dataset, setup: Setup, key: str
) -> xr.Dataset:
    """Dataset of metrics, dims (symbol, *axes) or (symbol, trial), with its provenance.

    With a shared account there is no symbol; the account's symbols are in the attributes.
    """
    shared = setup.account == "shared"
    dims = tuple(cube.axes) if shared else ("symbol", *cube.axes)
    shape = cube.shape if shared else (market.sizes["symbol"], *cube.shape)
    coords: dict[str, Any] = {} if shared else {"symbol": market["symbol"].values}
    coords |= {name: _coordinate(labels) for name, labels in cube.axes.items()}
    coords |= {name: ("trial", _coordinate(labels)) for name, labels in cube.labels.items()}
    variables = {
        name: (dims, (values.astype(np.int64) if name in COUNTS else values).reshape(shape))
        for name, values in metrics.items()
    }
    result = xr.Dataset(variables, coords=coords, attrs=provenance(market, setup, key))
    result.attrs["n_trials"] = cube.n_trials
    result.attrs["axes"] = json.dumps(list(cube.axes))
    return result


def _coordinate(labels: tuple[Any, ...]) -> Any:
    return np.array(labels, dtype=object if any(isinstance(item, str) for item in labels) else None)


def rule_fingerprint(strategy: Strategy) -> str:
    """Digest of a rule and of its own model of slippage, if it has one."""
    rule = fingerprint(strategy.decide)
    return rule if strategy.slippage is None else f"{rule} {fingerprint(strategy.slippage)}"


def provenance(market: xr.Dataset, setup: Setup, key: str) -> dict[str, Any]:
    """What one must know to get the same bits again."""
    symbols = json.dumps([str(symbol) for symbol in market["symbol"].values])
    return {
        **setup.provenance(),
        **({"symbols": symbols} if setup.account == "shared" else {}),
        "code": key,
        "rule": rule_fingerprint(setup.strategy),
        "data_hash": data_hash(market),
        "source": market.attrs["source"],
        "generated": int(market.attrs["generated"]),
        "calendar": market.attrs["calendar"],
        "adjustment": market.attrs["adjustment"],
        "first_bar": str(market["time"].values[0]),
        "last_bar": str(market["time"].values[-1]),
        "n_bars": int(market.sizes["time"]),
        "versions": json.dumps(
            {
                "fluxhero": __version__,
                "numba": numba.__version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
            }
        ),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
