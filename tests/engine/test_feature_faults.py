"""Features that cannot be: each is refused with the feature's name, the value and what is allowed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fluxhero as fx
from fluxhero.engine.errors import DataError, StoreError, StrategyError
from fluxhero.engine.records import Bar
from fluxhero.engine.stream import Stream
from fluxhero.tests.oracles.prices import example_bars

MINUTE_NS = 60 * 10**9
RULE = """
from fluxhero.engine.strategy import Feature, hold
FEATURES = {"mean": Feature("sma", lookback=3)}
def decide(bar, x, p, position):
    return hold(int(x.mean > 0.0))
"""


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        (lambda: fx.Feature("sma", lookback=float("nan")), "`f`: lookback is nan, must be a number"),
        (lambda: fx.Feature("sma", lookback=None), "`f`: lookback is None, must be a number"),  # type: ignore[arg-type]
        (lambda: fx.Feature("sma", lookback=[3]), r"`f`: lookback is \[3\], must be a number"),  # type: ignore[arg-type]
        (lambda: fx.Feature("sma", lookback=True), "`f`: lookback is True, must be a number"),
        (lambda: fx.Feature("sma", on=5), "`f`: `on` is 5, must be a name, a Feature, a Series or a tuple"),  # type: ignore[arg-type]
        (lambda: fx.Feature("sma", on=(5,)), "`f` reads 5, which is neither"),  # type: ignore[arg-type]
        (lambda: fx.Feature("sma", on=()), "reads 1 series"),
    ],
)
def test_a_feature_that_cannot_be_is_named(feature: Callable[[], Any], message: str) -> None:
    with pytest.raises(StrategyError, match=message):
        fx.feature_cube(fx.sample_market(n_symbols=1, sessions=2), {"f": feature()})


def test_a_list_of_features_is_refused() -> None:
    with pytest.raises(StrategyError, match="`features` is a list, must map names to Features"):
        fx.feature_cube(fx.sample_market(n_symbols=1, sessions=2), [fx.Feature("sma")])  # type: ignore[arg-type]


def test_an_inner_feature_lives_on_the_bars_of_the_outer_one() -> None:
    market = fx.sample_market(n_symbols=1, sessions=10)
    inner = fx.Feature("sma", on=fx.Feature("atr", lookback=5), timeframe="1h", lookback=4)
    named = {"f": fx.Feature("sma", on="a", timeframe="1h", lookback=4)}
    named["a"] = fx.Feature("atr", lookback=5, timeframe="1h")
    cube = fx.feature_cube(market, {"f": inner} | {"g": named["f"], "a": named["a"]})
    np.testing.assert_array_equal(cube["f"], cube["g"])
    assert np.isfinite(cube["f"]).sum() > 1_000


def test_whole_numbers_of_numpy_vary_too() -> None:
    market = fx.sample_market(n_symbols=1, sessions=3)
    feature = fx.Feature("sma", lookback=fx.Varying("close", np.int64(2), np.int64(5)))  # type: ignore[arg-type]
    assert np.isfinite(fx.feature_cube(market, {"f": feature})["f"]).any()


def test_masked_values_are_unknown() -> None:
    values = np.ma.masked_array([1.0, 2.0, 999.0, 3.0, 4.0], mask=[0, 0, 1, 0, 0])
    np.testing.assert_array_equal(fx.indicators.sma(values, lookback=2), [np.nan, 1.5, np.nan, 2.5, 3.5])


def test_a_crypto_stream_has_days_that_do_not_end(tmp_path: Path) -> None:
    path = tmp_path / "rule.py"
    path.write_text(RULE)
    assert Stream(path, ["BTC"], timeframe="1m", asset_class="crypto").setup.calendar == "24/7"
    assert Stream(path, ["SPY"], timeframe="1m").setup.calendar == "XNYS"


def stream_of(path: Path) -> Stream:
    path.write_text(RULE)
    return Stream(path, ["SPY"], timeframe="1m")


def test_a_row_of_another_shape_is_refused(tmp_path: Path) -> None:
    stream = stream_of(tmp_path / "rule.py")
    for shape in ((2, 5), (1, 4), (5,)):
        with pytest.raises(DataError, match=r"have the shape .*, must be \(1, 5\)"):
            stream.advance_row(MINUTE_NS, MINUTE_NS, np.ones(shape))
    assert stream.ts_ns == 0


def test_times_of_numpy_are_saved_and_every_damaged_bit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rule.py"
    stream = stream_of(path)
    bars = example_bars(30)
    for t in range(30):
        row = (float(bars[name][t]) for name in ("open", "high", "low", "close", "volume"))
        stream.advance(Bar("SPY", np.int64((t + 1) * MINUTE_NS), *row, np.int64(10**15)))
    saved = stream.save()
    other = stream_of(path)
    other.restore(saved)
    assert other.save() == saved
    rng = np.random.default_rng(1)
    for at in rng.integers(0, len(saved), 300):
        damaged = bytearray(saved)
        damaged[at] ^= 1 << int(rng.integers(0, 8))
        with pytest.raises(StoreError, match="cannot be read"):
            other.restore(bytes(damaged))
    for part in (b"", saved[:10], saved[:-1]):
        with pytest.raises(StoreError, match="cannot be read"):
            other.restore(part)
