"""The same source without a compiler: the same bits, and Python's own bounds checks on every index."""

import json
import os
import subprocess
import sys

CODE = """
import json
import numpy as np
import fluxhero as fx
rng = np.random.default_rng(2)
n = 700
close = np.round(100 * np.exp(np.cumsum(rng.standard_t(4, n) * 0.004)), 2)
open_ = np.round(np.r_[100.0, close[:-1]] * (1 + rng.normal(0, 0.001, n)), 2)
high = np.maximum(open_, close) + 0.05
low = np.minimum(open_, close) - 0.05
volume = np.round(rng.lognormal(7, 1, n))
table = np.array([open_, high, low, close, volume])
table[:, rng.random(n) < 0.02] = np.nan
time = 1_704_067_200_000_000_000 + 900_000_000_000 * np.arange(1, n + 1)
market = fx.from_arrays("XYZ", time, *table, timeframe="15m")
grid = {"entry_atr": [0.1, 0.4], "kama_lookback": [5, 8], "trend_adx": [20.0, 25.0], "rsi_low": [40.0]}
params = {"regression_lookback": 20, "confirm": 1, "reversion_adx": 20.0}
cube = fx.sweep("dual_mode", market, grid=grid, decision_timeframe="1h", params=params, n_threads=1)
run = fx.replay(cube, market, entry_atr=0.1, kama_lookback=5, trend_adx=20.0)
bits = {name: cube[name].values.astype(float).view(np.int64).ravel().tolist() for name in cube}
print(json.dumps({"cube": bits, "equity": run.equity.values.view(np.int64).ravel().tolist(),
                  "n_trades": int(cube["n_trades"].sum())}))
"""


def results(**environment: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


def test_plain_python_gives_the_same_bits() -> None:
    compiled = results()
    plain = results(NUMBA_DISABLE_JIT="1")
    assert int(str(compiled["n_trades"])) > 20
    assert plain == compiled


def test_a_lesser_processor_gives_the_same_bits() -> None:
    """Narrower vectors, other instructions: nothing may round differently."""
    generic = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    assert results(**generic) == results()
