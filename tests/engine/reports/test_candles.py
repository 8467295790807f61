from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fluxhero.engine.backtest import backtest
from fluxhero.engine.market import symbol_bars
from fluxhero.engine.reports.candle_figure import _price_digits, _rounded, candle_figure
from fluxhero.engine.reports.candles import Candles, decision_candles, feature_at, stops_in_force
from fluxhero.engine.reports.tables import trades_table

NAN = float("nan")
MINUTE_NS = 60_000_000_000


def test_candles_equal_a_plain_grouping_of_the_bars(swept):
    _, run = swept
    candles = decision_candles(run, "BRVO")
    bars = symbol_bars(run.market, "BRVO")
    hour = 60 * MINUTE_NS
    closes = np.minimum(-(-bars.ts_ns // hour) * hour, bars.session_close_ns)
    table = pd.DataFrame(
        {"closes": closes, "open": bars.open, "high": bars.high, "low": bars.low, "close": bars.close}
    )
    grouped = (
        table.dropna().groupby("closes").agg({"open": "first", "high": "max", "low": "min", "close": "last"})
    )
    np.testing.assert_array_equal(candles.ts_ns, grouped.index)
    np.testing.assert_array_equal(candles.ohlc, grouped.to_numpy())


def test_the_line_is_what_the_rule_saw(swept):
    _, run = swept
    candles = decision_candles(run, "BRVO")
    lookback = int(run.params["lookback"])
    means = pd.Series(candles.ohlc[:, 3]).rolling(lookback).mean().to_numpy()
    known = ~np.isnan(candles.line)
    assert known.sum() == len(means) - lookback + 1
    np.testing.assert_allclose(candles.line[known], means[known], rtol=1e-12)


def test_a_stop_shows_in_the_candle_that_it_acts_in():
    #        entry in candle 1, raised at its close (row 5), stopped out in the middle of candle 3
    stops = np.array([NAN, NAN, NAN, 90.0, 90.0, 95.0, 95.0, 95.0, 97.0, 97.0, NAN, NAN, NAN, NAN])
    rows = np.array([2, 5, 8, 11, 13])
    np.testing.assert_array_equal(stops_in_force(stops, rows), [NAN, 90.0, 95.0, 97.0, NAN])


def test_a_position_opened_on_a_closing_row_has_that_rows_stop():
    stops = np.array([NAN, NAN, 80.0, 80.0, NAN])
    np.testing.assert_array_equal(stops_in_force(stops, np.array([2, 4])), [80.0, 80.0])


def test_every_bar_a_candle_shows_the_stop_of_the_close_before():
    stops = np.array([NAN, 80.0, 85.0, NAN])
    np.testing.assert_array_equal(stops_in_force(stops, np.arange(4)), [NAN, 80.0, 80.0, 85.0])


def test_without_a_position_there_is_no_stop():
    assert np.isnan(stops_in_force(np.full(9, NAN), np.array([3, 8]))).all()
    assert stops_in_force(np.full(9, NAN), np.array([], dtype=np.int64)).size == 0


def test_an_instant_lies_in_the_candle_that_closes_at_or_after_it():
    nothing = np.full(3, NAN)
    candles = Candles("A", 10, np.array([20, 30, 40]), np.zeros((3, 4)), nothing, nothing)
    np.testing.assert_array_equal(candles.index_of(np.array([10, 11, 20, 21, 40, 41])), [-1, 0, 0, 1, 2, -1])
    latest = candles.latest(2)
    np.testing.assert_array_equal(latest.index_of(np.array([20, 21, 30, 40])), [-1, 0, 0, 1])


def test_a_feature_that_a_strategy_lacks_is_unknown(swept):
    _, run = swept
    assert np.isnan(feature_at(run.decisions, "BRVO", np.array([0, 1]), "vwap")).all()


def test_every_trade_is_drawn_between_its_candles(swept):
    _, run = swept
    for chart in candle_figure(run)["charts"]:
        own = run.trades[run.trades["symbol"] == chart["symbol"]]
        assert len(chart["trades"]) == len(own)
        for drawn in chart["trades"]:
            assert chart["low"][drawn["from"]] * 0.99 <= drawn["entry"] <= chart["high"][drawn["from"]] * 1.01
            assert chart["low"][drawn["to"]] * 0.99 <= drawn["exit"] <= chart["high"][drawn["to"]] * 1.01


def test_both_sides_are_shown(market):
    path = Path(__file__).resolve().parents[2] / "data" / "strategies" / "swing.py"
    run = backtest(path, market, decision_timeframe="1h")
    fills = [fill for chart in candle_figure(run)["charts"] for fill in chart["fills"]]
    said = {
        (fill["kind"] in ("buy", "short"), fill["up"]): fill["lines"][0].split(" ")[:-3] for fill in fills
    }
    assert said == {
        (True, True): ["BUY"],
        (True, False): ["SELL", "SHORT"],
        (False, False): ["SELL"],
        (False, True): ["BUY", "BACK"],
    }
    short = next(fill for fill in fills if fill["kind"] == "short")
    assert float(short["lines"][2].split(",")[0].removeprefix("stop ")) > short["price"]
    sides = [row[4].text for row in trades_table(run, latest=10**6).rows]
    assert sides.count("short") == int((run.trades["side"] < 0).sum()) > 5
    assert sides.count("long") == int((run.trades["side"] > 0).sum()) > 5


def test_every_fill_says_why(swept):
    _, run = swept
    charts = candle_figure(run)["charts"]
    fills = [fill for chart in charts for fill in chart["fills"]]
    assert len(fills) == len(run.fills)
    entry = next(fill for fill in fills if fill["kind"] == "buy")
    assert entry["lines"][0].startswith("BUY ")
    assert entry["lines"][1] == "<script>window.hacked = 1</script>"  # the page escapes it
    assert entry["lines"][2].startswith("stop ")
    assert len(entry["seen"]) == len(candle_figure(run)["features"]) == 1
    exits = [fill for fill in fills if fill["kind"] != "buy"]
    assert {fill["kind"] for fill in exits} <= {"gain", "loss"}
    assert all(fill["lines"][-1].endswith("%)") for fill in exits)


def test_refusals_lie_on_the_candles_of_their_decisions(swept):
    _, run = swept
    charts = candle_figure(run)["charts"]
    drawn = Counter(chart["refusals"]["words"][code] for chart in charts for code in chart["refusals"]["why"])
    assert drawn == run.refusals().to_dict()
    assert all(len(chart["refusals"]["i"]) == len(chart["refusals"]["why"]) for chart in charts)


def test_too_many_candles_keep_the_latest(swept, monkeypatch):
    _, run = swept
    whole = candle_figure(run)
    monkeypatch.setattr("fluxhero.engine.reports.candle_figure.MAX_CANDLES", 20)
    short = candle_figure(run)
    assert short["note"] == "The latest 10 candles of each symbol."
    assert whole["note"] == ""
    for one, all_of_it in zip(short["charts"], whole["charts"], strict=True):
        assert one["close"] == all_of_it["close"][-10:]
        assert all(0 <= fill["i"] < 10 for fill in one["fills"])


@pytest.mark.parametrize(
    ("price", "written"), [(123.456789, 123.46), (1.23456789, 1.2346), (0.000123456789, 0.00012346)]
)
def test_prices_keep_the_digits_that_they_need(price, written):
    assert _rounded(np.array([price]), _price_digits(np.array([[price]]))) == [written]
