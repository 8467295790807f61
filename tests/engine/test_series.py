"""Series from outside: put where their labels say, seen at their closes, the same bits everywhere."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from fluxhero.adapters.sample_market import sample_market
from fluxhero.engine import feature_cube as feature_cube_module
from fluxhero.engine import features as features_module
from fluxhero.engine.audit import check_strategy
from fluxhero.engine.backtest import backtest, replay
from fluxhero.engine.errors import DataError, FluxHeroError, ParameterError, StrategyError
from fluxhero.engine.feature_cube import feature_cube
from fluxhero.engine.market import check_market, data_hash, from_arrays, select, series_names
from fluxhero.engine.records import Bar
from fluxhero.engine.run import Run
from fluxhero.engine.series import with_series
from fluxhero.engine.strategy import Feature, Series, load_strategy
from fluxhero.engine.stream import Stream
from fluxhero.engine.sweep import sweep
from fluxhero.kernels.outcomes import NOT_READY, OUTCOMES
from fluxhero.kernels.tape import TAPE
from fluxhero.store.market import read_market, write_market

BARS = ("open", "high", "low", "close", "volume")

RULE = """
from fluxhero.engine.strategy import Feature, Param, Series, enter, enter_short, hold, leave
PARAMS = {"smoothing": Param(3, 1, 50, "bars"), "edge": Param(0.2, 0.0, 2.0), "stop": Param(0.01, 0.001, 0.5)}
FEATURES = {
    "mood": Series("mood"),
    "calm": Feature("sma", on=Series("mood", unknown=0.0), lookback="smoothing"),
    "before": Feature("previous", on="mood"),
    "news": Feature("ema", on=Series("news", unknown=0.0), lookback=2, timeframe="4h"),
    "last_news": Series("news", unknown=-1.0, timeframe="4h"),
    "range": Feature("atr", lookback=2),
}
REASONS = {1: "up", 2: "down", 3: "over"}


def decide(bar, x, p, position):
    if position.qty != 0.0:
        if x.mood * position.qty < 0.0 or abs(x.calm) < 0.05:
            return leave(3)
        return hold()
    if x.mood > p.edge and x.mood > x.before - 1.0 and x.news + x.last_news > -2.0:
        return enter(p.stop * bar.close + x.range, 0.01, 1)
    if x.calm < -p.edge:
        return enter_short(p.stop * bar.close, 0.01, 2)
    return hold()
"""


def same_bits(first: Any, second: Any) -> bool:
    one, other = (np.ascontiguousarray(values, dtype=np.float64) for values in (first, second))
    return one.shape == other.shape and np.array_equal(one.view(np.int64), other.view(np.int64))


def tiny(n_bars: int = 6, symbols: tuple[str, ...] = ("A", "B")) -> xr.Dataset:
    """Hourly bars around 100, each a little above the one before."""
    close = 100.0 + np.arange(n_bars) + np.zeros((len(symbols), 1))
    return from_arrays(
        list(symbols),
        pd.date_range("2024-01-01T01", periods=n_bars, freq="h").to_numpy(),
        close - 0.5,
        close + 1.0,
        close - 1.0,
        close,
        np.full(close.shape, 1e6),
        timeframe="1h",
    )


@pytest.fixture(scope="module")
def rule(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rules") / "outside.py"
    path.write_text(RULE)
    return path


def shaken(seed: int = 3, sessions: int = 6) -> xr.Dataset:
    """A market with missing bars, and series of which a part is unknown."""
    market = sample_market(n_symbols=3, sessions=sessions, seed=seed).copy(deep=True)
    rng = np.random.default_rng(seed)
    shape = (market.sizes["symbol"], market.sizes["time"])
    missing = rng.random(shape) < 0.03
    for name in BARS:
        market[name].values[missing] = np.nan
    mood = np.clip(np.cumsum(rng.normal(0.0, 0.05, shape), axis=1), -1.0, 1.0)
    mood[rng.random(shape) < 0.05] = np.nan
    news = rng.choice([-1.0, 0.0, 1.0, np.nan], shape)
    entries = rng.choice([-1.0, 0.0, 1.0, np.nan], shape, p=[0.07, 0.8, 0.07, 0.06])
    exits = rng.random(shape) < 0.05
    return with_series(market, mood=mood, news=news, entries=entries, exits=exits)


@pytest.fixture(scope="module")
def market() -> xr.Dataset:
    return shaken()


# ---- what may be given, and where it is put


def _given_forms() -> dict[str, Any]:
    market = tiny()
    time, symbols = market["time"].values, ["A", "B"]
    table = np.array([[1.0, np.nan, 3.0, 4.0, 5.0, 6.0], [-1.0, 2.0, np.nan, -4.0, -5.0, 0.5]])
    frame = pd.DataFrame(table.T, index=pd.DatetimeIndex(time), columns=symbols)
    labelled = xr.DataArray(table, dims=("symbol", "time"), coords={"symbol": symbols, "time": time})
    return {
        "array": table,
        "lists": table.tolist(),
        "objects": np.where(np.isnan(table), None, table),
        "frame": frame,
        "frame in any order": frame.iloc[[3, 1, 0, 5, 4, 2], ::-1],
        "frame of another zone": frame.tz_localize("UTC").tz_convert("America/New_York"),
        "frame of text": frame.set_axis([str(stamp) for stamp in frame.index]),
        "frame with missing values of its own kind": frame.astype("Float64"),
        "labelled": labelled,
        "labelled the other way round": labelled.transpose()[::-1, ::-1],
        "dims alone": xr.DataArray(table, dims=("symbol", "time")),
    }


@pytest.mark.parametrize("form", _given_forms())
def test_all_forms_say_the_same(form: str) -> None:
    forms = _given_forms()
    found = with_series(tiny(), mood=forms[form])["mood"]
    assert found.dims == ("symbol", "time")
    assert found.dtype == np.float64
    assert same_bits(found.values, forms["array"])


@pytest.mark.parametrize(
    "given",
    [
        np.arange(6),
        pd.Series(range(6), index=tiny()["time"].values),
        xr.DataArray(np.arange(6.0), dims="time", coords={"time": tiny()["time"].values}),
    ],
)
def test_one_line_is_for_all_symbols(given: Any) -> None:
    assert same_bits(with_series(tiny(), mood=given)["mood"].values, [np.arange(6.0)] * 2)


def test_truth_is_one_and_a_number_is_for_all_bars() -> None:
    market = with_series(tiny(), up=tiny()["close"] > 102.5, none=0)
    assert market["up"].values.tolist() == [[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]] * 2
    assert not market["none"].values.any()


def test_the_market_given_stays_as_it_was() -> None:
    market, mood = tiny(), np.ones((2, 6))
    other = with_series(market, mood=mood)
    mood[:] = 7.0
    assert series_names(market) == ()
    assert series_names(other) == ("mood",)
    assert (other["mood"].values == 1.0).all()
    assert np.shares_memory(other["close"].values, market["close"].values)
    assert with_series(other, mood=2.0)["mood"].values.tolist() == [[2.0] * 6] * 2


def _frame(**changes: Any) -> pd.DataFrame:
    return pd.DataFrame({"A": 1.0, "B": 2.0}, index=pd.DatetimeIndex(tiny()["time"].values))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (np.ones(5), r"`mood` has the shape \(5,\), must be \(6,\) \(bars\) or \(2, 6\) \(symbols, bars\)$"),
        (np.ones((6, 2)), "time goes last"),
        (np.ones((1, 2, 6)), r"the shape \(1, 2, 6\)"),
        (np.where(np.arange(6) == 2, np.inf, 0.0), "`mood` of 'A' at 2024-01-01 03:00 UTC was inf, must be"),
        (["a"] * 6, "`mood` must be numbers"),
        (np.array(["1.0"] * 6), "`mood` must be numbers"),
        (tiny()["time"].values, "`mood` must be numbers: it holds datetime64"),
        (np.ones(6) * 1j, "`mood` must be numbers: it holds complex"),
        (_frame().iloc[1:], "no value for the bar at 2024-01-01 01:00 UTC, and for 0 more"),
        (
            pd.concat([_frame(), _frame().shift(freq="30min")]),
            "a value at 2024-01-01 01:30 UTC, where no bar closes, and 5 more",
        ),
        (pd.concat([_frame(), _frame().iloc[2:3]]), "has 2024-01-01 03:00 UTC twice"),
        (_frame()[["A"]], "no column of 'B'; it has A"),
        (_frame().assign(C=1.0), "a column of 'C', which is no symbol of the market; .*A, B"),
        (_frame()[["A", "B", "A"]], "two columns of 'A'"),
        (_frame().reset_index(drop=True), "indexed by int64, must be indexed by time"),
        (_frame().set_axis(list("abcdef")), "must be indexed by time"),
        (_frame().set_axis([pd.NaT, *_frame().index[1:]]), "label 0 of its index is not a time"),
        (tiny(), "is a Dataset; give one variable"),
        (xr.DataArray(np.ones((2, 6)), dims=("asset", "time")), r"the dims \('asset', 'time'\), must have"),
        (xr.DataArray(np.ones(5), dims="time"), "5 of 'time' without labels, must have 6"),
    ],
)
def test_what_does_not_fit_is_refused(given: Any, told: str) -> None:
    with pytest.raises(DataError, match=told):
        with_series(tiny(), mood=given)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("close", "`close` cannot be a series"),
        ("vwap", "`vwap` cannot be"),
        ("session", "cannot be"),
        ("no name", "a plain Python name that starts with a letter, was 'no name'"),
        ("_own", "was '_own'"),
    ],
)
def test_a_name_that_is_taken_or_plain_wrong_is_refused(name: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        with_series(tiny(), **{name: 1.0})


def test_another_fill_is_refused() -> None:
    with pytest.raises(ParameterError, match="`fill` was 'next', must be 'last'"):
        with_series(tiny(), fill="next", mood=1.0)


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        (("time", np.ones(6)), r"'mood' must have the dims \('symbol', 'time'\)"),
        ((("symbol", "time"), np.ones((2, 6), np.float32)), "'mood' must be float64, is float32"),
        ((("symbol", "time"), np.full((2, 6), -np.inf)), "`mood` of 'A' at 2024-01-01 01:00 UTC was -inf"),
    ],
)
def test_a_series_put_in_by_hand_is_checked(variable: Any, told: str) -> None:
    with pytest.raises(DataError, match=told):
        check_market(tiny().assign(mood=variable))


# ---- the last known value


@given(
    stamps=st.lists(st.integers(-90, 450), unique=True, max_size=12),
    unknown=st.lists(st.booleans(), min_size=24, max_size=24),
)
def test_the_last_known_value_is_carried_forward_only(stamps: list[int], unknown: list[bool]) -> None:
    market = tiny()
    start = market["time"].values[0]
    index = pd.DatetimeIndex(start + np.array(stamps, dtype="timedelta64[m]"))
    values = np.arange(2.0 * len(stamps)).reshape(-1, 2)
    values[np.array(unknown[: values.size], dtype=bool).reshape(values.shape)] = np.nan
    found = with_series(market, fill="last", mood=pd.DataFrame(values, index=index, columns=["A", "B"]))[
        "mood"
    ]
    for row in range(2):
        for t, close in enumerate(market["time"].values):
            known = [
                (stamp, value)
                for stamp, value in zip(index, values[:, row], strict=True)
                if stamp <= close and not np.isnan(value)
            ]
            assert same_bits(found.values[row, t], max(known)[1] if known else np.nan)


def test_arrays_are_carried_forward_too() -> None:
    market = with_series(tiny(), fill="last", mood=[np.nan, 1.0, np.nan, np.nan, 2.0, np.nan], same=3.0)
    assert same_bits(market["mood"].values[1], [np.nan, 1.0, 1.0, 1.0, 2.0, 2.0])
    assert (market["same"].values == 3.0).all()


def test_features_of_longer_bars_come_back_as_a_series(market: xr.Dataset) -> None:
    hourly = feature_cube(market, {"mean": Feature("sma", lookback=2)}, timeframe="1h")["mean"]
    wide = with_series(market, fill="last", hourly=hourly)
    back = feature_cube(wide, {"hourly": Series("hourly")}, timeframe="1h")["hourly"]
    known = ~np.isnan(hourly.values)
    assert same_bits(back.values[known], hourly.values[known])


# ---- the market with it


def test_the_hash_covers_series() -> None:
    market = tiny()
    mood, news = np.arange(12.0).reshape(2, 6), np.full((2, 6), np.nan)
    both = with_series(market, mood=mood, news=news)
    odd_nan = np.full((2, 6), 0x7FF8000000000001, dtype=np.int64).view(np.float64)
    assert data_hash(both) == data_hash(with_series(market, news=odd_nan, mood=mood))
    changed = mood.copy()
    changed[1, 5] += 1e-12
    others = [market, with_series(market, mood=mood), with_series(market, mood=changed, news=news)]
    others += [with_series(market, mood=news, news=mood), with_series(market, moods=mood, news=news)]
    assert len({data_hash(other) for other in (*others, both)}) == 6
    assert data_hash(both.drop_vars(["mood", "news"])) == data_hash(market)


def test_a_part_of_a_market_keeps_its_part_of_the_series(market: xr.Dataset) -> None:
    part = market.isel(symbol=[2, 0], time=slice(100, 200))
    check_market(part)
    assert same_bits(part["mood"].values, market["mood"].values[[2, 0], 100:200])
    day = select(market, start=str(market["session"].values[-1])[:10])
    assert same_bits(day["mood"].values, market["mood"].values[:, -day.sizes["time"] :])


def test_the_store_keeps_series(market: xr.Dataset, tmp_path: Path) -> None:
    write_market(market, tmp_path / "m.zarr")
    found = read_market(tmp_path / "m.zarr")
    xr.testing.assert_identical(found, market)
    assert data_hash(found) == data_hash(market)
    symbol = str(market["symbol"].values[1])
    part = read_market(tmp_path / "m.zarr", symbols=symbol)
    assert same_bits(part["news"].values, market["news"].values[1:2])


# ---- one function


def streamed(rule: str | Path, market: xr.Dataset, restarts: tuple[int, ...] = (), **settings: Any) -> Any:
    """Equity, decisions and metrics of a stream over a market, restarted on the rows named."""
    stream = Stream.for_market(rule, market, **settings)
    bars = np.stack([market[name].values for name in BARS], axis=-1)
    series = np.stack([market[name].values for name in stream.series], axis=-1)
    times = market["time"].values.astype("datetime64[ns]").astype(np.int64)
    ends = market["session_close"].values.astype("datetime64[ns]").astype(np.int64)
    equity, decisions = np.empty(bars.shape[:2]), []
    for t in range(len(times)):
        if t in restarts:
            saved = stream.save()
            stream = Stream.for_market(rule, market, **settings)
            stream.restore(saved)
        row = stream.advance_row(int(times[t]), int(ends[t]), bars[:, t], series=series[:, t])
        equity[:, t] = row.tape[:, TAPE["equity"]]
        decisions += row.decisions
    return equity, decisions, stream.metrics()


@pytest.mark.parametrize("decision", ["1m", "15m", "1h", "1d"])
@pytest.mark.parametrize("which", ["outside", "signals"])
def test_sweep_replay_and_stream_are_equal_to_the_bit(
    rule: Path, market: xr.Dataset, which: str, decision: str
) -> None:
    strategy: str | Path = rule if which == "outside" else which
    stop = 0.02
    grid = {"stop": [0.004, stop]} | ({"smoothing": [2, 5]} if which == "outside" else {})
    cell = {name: values[-1] for name, values in grid.items()}
    cube = sweep(strategy, market, grid=grid, decision_timeframe=decision)
    run = replay(cube, market, **cell)
    assert len(run.trades) > 5 or decision == "1d"
    assert len(run.decisions) >= 18
    n = market.sizes["time"]
    equity, decisions, metrics = streamed(
        strategy, market, restarts=(n // 3, n // 2 + 7), decision_timeframe=decision, params=cell
    )
    assert same_bits(equity, run.equity.values)
    expected = run.decisions.sort_values(["time", "symbol"], kind="stable")
    assert [d.action for d in decisions] == list(expected["action"])
    for name in run.metrics:
        assert same_bits(run.metrics[name].values, cube[name].sel(cell).values), name
        assert same_bits(metrics[name].values, run.metrics[name].values), name
    for name in load_strategy(strategy).features:
        assert same_bits([d.values[name] for d in decisions], expected[name].to_numpy()), name


def test_a_stream_takes_series_by_name(market: xr.Dataset) -> None:
    part = market.isel(time=slice(0, 300))
    expected, _, _ = streamed("signals", part, params={"stop": 0.01})
    stream = Stream.for_market("signals", part, params={"stop": 0.01})
    ends = part["session_close"].values.astype("datetime64[ns]").astype(np.int64)
    for t, ts_ns in enumerate(part["time"].values.astype("datetime64[ns]").astype(np.int64)):
        now = part.isel(time=t)
        bars, series = [], {}
        for i, symbol in enumerate(stream.symbols):
            if not np.isnan(now["close"].values[i]):
                bars.append(Bar(symbol, int(ts_ns), *(float(now[f].values[i]) for f in BARS), int(ends[t])))
            known = {name: float(now[name].values[i]) for name in stream.series}
            series[symbol] = {name: value for name, value in known.items() if not np.isnan(value)}
        stream.advance(bars, ts_ns=int(ts_ns), session_close_ns=int(ends[t]), series=series)
        assert [stream.state(s)["account.equity"] for s in stream.symbols] == expected[:, t].tolist()


def test_unread_series_and_the_order_of_symbols_do_not_matter(rule: Path, market: xr.Dataset) -> None:
    run = backtest(rule, market, decision_timeframe="15m")
    less = market.drop_vars(["entries", "exits"]).isel(symbol=slice(None, None, -1))
    assert same_bits(backtest(rule, less, decision_timeframe="15m").equity.values[::-1], run.equity.values)


def test_tiles_do_not_change_a_bit(market: xr.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    features = {"mood": Series("mood"), "calm": Feature("ema", on=Series("mood", 0.0), timeframe="1h")}
    whole = feature_cube(market, features, timeframe="15m")
    monkeypatch.setattr(feature_cube_module, "TILE_BARS", 97)
    cut = feature_cube(market, features, timeframe="15m")
    assert all(same_bits(cut[name].values, whole[name].values) for name in features)


# ---- when a value is seen


@pytest.mark.parametrize("timeframe", ["1m", "15m", "4h", "1d"])
def test_a_longer_bar_sees_the_row_on_which_it_became_complete(market: xr.Dataset, timeframe: str) -> None:
    cube = feature_cube(
        market, {"mood": Series("mood"), "news": Series("news", unknown=9.0)}, timeframe=timeframe
    )
    at = market.sel(time=cube["time"])
    complete = feature_cube(market, {"last": Feature("sma", lookback=1)}, timeframe=timeframe)
    is_seen = complete["last"].notnull()
    assert same_bits(cube["mood"].values, at["mood"].where(is_seen).values)
    assert same_bits(cube["news"].values, at["news"].fillna(9.0).where(is_seen).values)


def test_a_shorter_bar_s_value_is_that_of_its_last_bar(market: xr.Dataset) -> None:
    cube = feature_cube(market, {"mood": Series("mood", timeframe="1m")}, timeframe="1h")
    for symbol in market["symbol"].values:
        own, has_bar = market["mood"].sel(symbol=symbol), market["close"].sel(symbol=symbol).notnull()
        for time, value in zip(cube["time"].values, cube["mood"].sel(symbol=symbol).values, strict=True):
            expected = own[has_bar.values & (own["time"].values <= time)].values[-1]
            assert same_bits(value, expected)


@given(cut=st.integers(1, 2_300), seed=st.integers(0, 3))
def test_what_comes_later_changes_nothing_before(rule: Path, market: xr.Dataset, cut: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    other = {}
    for name in ("mood", "news"):
        values = market[name].values.copy()
        values[:, cut:] = rng.choice([-1.0, 1.0, np.nan], values[:, cut:].shape)
        other[name] = values
    settings = {"decision_timeframe": "15m", "params": {"stop": 0.004}}
    first, second = (backtest(rule, m, **settings) for m in (market, with_series(market, **other)))
    assert same_bits(first.equity.values[:, :cut], second.equity.values[:, :cut])
    until = market["time"].values[cut - 1]
    pd.testing.assert_frame_equal(
        first.decisions[first.decisions["time"] <= until].reset_index(drop=True),
        second.decisions[second.decisions["time"] <= until].reset_index(drop=True),
    )
    short = backtest(rule, market.isel(time=slice(0, cut)), **settings)
    assert same_bits(first.equity.values[:, :cut], short.equity.values)


def signalled(entries: list[float], exits: list[float], **settings: Any) -> Run:
    market = with_series(tiny(len(entries), ("A",)), entries=entries, exits=exits)
    return backtest("signals", market, costs="zero", **settings)


def test_a_signal_fills_at_the_next_open() -> None:
    run = signalled([0, 1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0, 1, 0])
    (trade,) = run.trades.itertuples()
    hours = [stamp.hour for stamp in (trade.entry_time, trade.exit_time)]
    assert (hours, trade.entry_price, trade.exit_price) == ([3, 6], 101.5, 104.5)
    assert trade.entry_reason == "entry signal, long"
    assert trade.exit_reason == "exit signal"


def test_signals_short_turn_and_stand_in_each_other_s_way() -> None:
    run = signalled([1, 0, -1, -1, 0, 0, 1, 0], [0, 0, 0, 0, 1, 0, 1, 0])
    assert list(run.trades["side"]) == [1, -1]
    assert list(run.trades["exit_reason"]) == ["entry signal for the other side", "exit signal"]
    assert list(run.decisions["reason"])[6] == "refused: entry and exit signal on one bar"
    assert [stamp.hour for stamp in run.fills["time"]] == [2, 4, 5, 6]


def test_signals_are_stopped_out_at_their_distance() -> None:
    run = signalled([-1, 0, 0, 0, 0, 0], [0] * 6, params={"stop": 0.02})
    (trade,) = run.trades.itertuples()
    assert trade.exit_price == pytest.approx(100.5 + 0.02 * 100.0)


def test_a_rule_is_not_asked_where_a_series_is_unknown(rule: Path) -> None:
    mood = np.where(np.arange(24) % 7 == 5, np.nan, 0.5)
    run = backtest(rule, with_series(tiny(24, ("A",)), mood=mood, news=np.nan))
    assert same_bits(run.decisions["mood"].to_numpy(), mood)
    is_asked = (run.decisions["outcome"] != OUTCOMES[int(NOT_READY)]).to_numpy()
    assert is_asked[8:].tolist() == [t % 7 != 5 for t in range(8, 24)]  # `news` has a stand-in
    assert (run.decisions["last_news"].dropna() == -1.0).all()


# ---- what is refused


def test_a_market_without_the_series_is_refused_first(rule: Path, market: xr.Dataset) -> None:
    lacking = with_series(market.drop_vars("mood"), moods=1.0)
    told = r"reads the series `mood`, which the market lacks; did you mean `moods`\?"
    with pytest.raises(DataError, match=told):
        sweep(rule, lacking, grid={"edge": [0.1]})
    with pytest.raises(DataError, match=told):
        backtest(rule, lacking)
    with pytest.raises(DataError, match=told):
        feature_cube(lacking, {"calm": Feature("sma", on=Series("mood"))})
    cube = sweep(rule, market, grid={"edge": [0.1]}, decision_timeframe="1d")
    with pytest.raises(DataError, match="its data differ"):
        replay(cube, lacking)


def test_the_refusal_says_what_the_series_means() -> None:
    with pytest.raises(
        DataError, match=r"`entries` \(above 0 buys, below 0 sells short\).*it has none; add it by"
    ):
        backtest("signals", tiny())


@pytest.mark.parametrize(
    ("feature", "told"),
    [
        (
            'Series("close")',
            r"Series\('close'\) is no series but the market's own; `decide` reads it as `bar.cl",
        ),
        ('Series("session")', "is no series but the market's own$"),
        ('Series("a b")', "series 'a b' must be a plain Python name"),
        ("Series(7)", "series 7 must be"),
        ('Series("mood", unknown=float("inf"))', "`unknown` was inf, must be a finite number or None"),
        ('Series("mood", unknown="last")', "`unknown` was 'last'"),
        ('Series("mood", timeframe="7m")', "timeframe '7m' is unknown"),
        ('Feature("sma", on=Series("close"))', "is no series but"),
        ('Feature("sma", on="mood")', r"reads 'mood', which is neither .*Series\(name\)"),
        ('"mood"', r"is a str, must be a Feature\(...\) or a Series\(...\)"),
    ],
)
def test_a_file_that_names_it_wrongly_is_refused(tmp_path: Path, feature: str, told: str) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(
        "from fluxhero.engine.strategy import Feature, Series, hold\n"
        f"FEATURES = {{'seen': {feature}}}\ndef decide(bar, x, p, position):\n    return hold()\n"
    )
    with pytest.raises(StrategyError, match=told):
        load_strategy(path)


def test_a_series_on_shorter_bars_than_the_market_s_is_refused() -> None:
    with pytest.raises(FluxHeroError, match="feature `mood` needs '15m' bars, but the market has '1h' bars"):
        feature_cube(with_series(tiny(), mood=1.0), {"mood": Series("mood", timeframe="15m")})


@pytest.mark.parametrize(
    ("series", "told"),
    [
        ({"C": {"exits": 1.0}}, "`exits` of 'C': not a symbol of this stream"),
        ({"A": {"exit": 1.0}}, "`exit` of 'A': the rule reads none of that name; it reads entries, exits"),
        ({"A": {"exits": float("inf")}}, "`exits` of 'A' at .* was inf, must be finite"),
    ],
)
def test_a_stream_refuses_what_it_cannot_place(series: dict[str, dict[str, float]], told: str) -> None:
    stream = Stream("signals", ["A", "B"], timeframe="1h")
    bar = Bar("A", 3_600_000_000_000, 10.0, 11.0, 9.0, 10.0, 5.0, 7_200_000_000_000)
    before = stream.save()
    with pytest.raises(DataError, match=told):
        stream.advance(bar, series=series)
    assert stream.save() == before
    assert stream.advance(bar, series={"A": {"entries": 1.0}})[0].action == "enter"


def test_a_row_of_series_of_another_shape_is_refused() -> None:
    stream = Stream("signals", ["A", "B"], timeframe="1h")
    with pytest.raises(DataError, match=r"the shape \(2,\), must be \(2, 2\): entries, exits of each symbol"):
        stream.advance_row(3_600_000_000_000, 7_200_000_000_000, np.full((2, 5), np.nan), series=np.ones(2))


# ---- the audit


def peek(series: np.ndarray, rows: np.ndarray, unknown: float) -> np.ndarray:
    """The planted cheat: the value of the next row of time."""
    return np.nan_to_num(series[np.minimum(rows + 1, len(series) - 1)], nan=unknown)


def test_a_series_that_is_read_too_early_is_caught(rule: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_strategy(rule, n_trials=1, n_cuts=4, n_bars=3_000).ok
    monkeypatch.setattr(features_module, "_seen", peek)
    report = check_strategy(rule, n_trials=1, n_cuts=40, n_bars=3_000)
    assert not report.ok
    assert {"poison", "other future"} <= {finding.test for finding in report.findings}
    assert any(finding.what == "feature `mood`" for finding in report.findings)


def test_the_audit_asks_a_rule_of_series_and_says_what_it_cannot_know(rule: Path) -> None:
    report = check_strategy(rule, n_trials=1, n_cuts=2, n_bars=3_000)
    assert report.n_decisions > 500
    assert [warning.split("`")[1] for warning in report.warnings] == ["mood", "news"]
    assert report.warmups["mood"] == 0


def test_series_are_equal_by_what_they_do() -> None:
    assert Series("mood") == Series("mood", doc="how people feel")
    assert Series("mood") != Series("mood", unknown=0.0)
    assert dataclasses.replace(Series("mood"), timeframe="1h") == Series("mood").on_timeframe("1h")
