"""FluxHero's side of the comparison: the same bars, the same trials, one thread."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from serve import serve

import fluxhero as fx
from fluxhero.engine.market import from_arrays

FOLDER = Path(sys.argv[1])
STRATEGIES = {"sma_cross": str(Path(__file__).resolve().parents[1] / "strategies" / "sma_cross.py")}
SHOWN = ("final_equity", "sharpe_ratio_rf0", "max_drawdown", "win_rate", "n_trades")
COSTS = fx.Costs(commission_per_share=0.005, slippage=0.0001, impact=0.0)


def _market() -> xr.Dataset:
    with np.load(FOLDER / "bars.npz") as bars:
        return from_arrays("PEER", **bars, timeframe="1m", calendar="XNYS", asset_class="equity")


MARKET = _market()


def run(strategy: str, trials: str, n_bars: int, n_trials: int) -> dict[str, Any]:
    """Sweep the first `n_trials` trials of a file over the first `n_bars` bars."""
    with np.load(FOLDER / f"{trials}.npz") as columns:
        table = {name: columns[name][:n_trials] for name in columns.files}
    share = 1.0 if strategy == "sma_cross" else 0.2
    cube = fx.sweep(
        STRATEGIES.get(strategy, strategy),
        MARKET.isel(time=slice(0, n_bars)),
        trials=table,
        n_threads=1,
        costs=COSTS,
        risk=fx.Risk(max_position=share, max_deployed=share, cash_rate=0.0, risk_free_rate=0.0),
    )
    names = {"sharpe_ratio_rf0": "sharpe_ratio"}
    return {names.get(name, name): cube[name].values[0] for name in SHOWN}


if __name__ == "__main__":
    serve({"run": run}, {"engine": f"FluxHero {fx.__version__}"})
