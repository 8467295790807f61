"""The portfolio of models as its users meet it: names, tables, sentences, refusals."""

import doctest
import importlib
import pkgutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from fluxhero.engine import portfolio
from fluxhero.engine.errors import ConfigError, DataError, NotFoundError, ParameterError
from fluxhero.engine.market_state import market_states, source
from fluxhero.engine.portfolio import (
    NO_CAPS,
    PLATFORM_CAPS,
    PORTFOLIO,
    STOCK_CAPS,
    Caps,
    Model,
    attribution_at,
    explain,
    net,
    orders,
    performance,
    regime_flags,
)
from fluxhero.kernels import netting
from fluxhero.kernels.types import FloatArray
from fluxhero.store.cube import read_cube, write_cube

TIMES = pd.date_range("2024-01-01 21:00", periods=60, freq="D")
SYMBOLS = ["SPY", "QQQ", "XLE", "BTC", "ETH"]
CLASSES = {"SPY": "equity", "QQQ": "equity", "XLE": "equity", "BTC": "crypto", "ETH": "crypto"}
SECTORS = {"SPY": None, "QQQ": "tech", "XLE": "energy", "BTC": None, "ETH": None}
MODELS = [
    Model(name="trend", budget=0.6),
    Model(name="reversion", budget=0.25),
    Model(name="macro", budget=0.15),
]
CAPS = Caps(asset=0.4, asset_class=0.7, classes={"crypto": 0.2}, sectors={"tech": 0.25}, gross=0.8)
SPY_ONLY = pd.DataFrame({"SPY": [1.0]}, index=TIMES[:1])


def targets(n_bars: int = 60) -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(4)
    tables = {}
    for model in MODELS:
        values = rng.normal(0.2, 0.5, (60, 5))
        values[rng.random(values.shape) < 0.3] = np.nan
        tables[model.name] = pd.DataFrame(values, index=TIMES, columns=SYMBOLS)[:n_bars]
    return tables


def prices(n_bars: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(6)
    walk = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, (60, 5)), axis=0))
    walk[rng.random(walk.shape) < 0.05] = np.nan
    return pd.DataFrame(walk, index=TIMES, columns=SYMBOLS)[:n_bars]


def netted(tables: Any = None, caps: Any = CAPS, **options: Any) -> xr.Dataset:
    tables = targets() if tables is None else tables
    return net(MODELS, tables, caps, **({"classes": CLASSES, "sectors": SECTORS} | options))


def changed(table: pd.DataFrame, cut: int, future: Any) -> pd.DataFrame:
    """A table whose future is another one."""
    copy = table.copy()
    copy.iloc[cut:] = future
    return copy


def all_want_spy(caps: Any = PLATFORM_CAPS, **options: Any) -> xr.Dataset:
    wanted = {model.name: SPY_ONLY for model in MODELS}
    return net(MODELS, wanted, caps, **({"classes": {"SPY": "equity"}} | options))


def test_three_models_that_all_want_spy() -> None:
    result = all_want_spy()
    assert result["weight"].sel(symbol="SPY").values[0].tolist() == [1.0, 0.4, 0.4, 0.4, 0.4]
    parts = result["attribution"].sel(symbol="SPY").values[0]
    np.testing.assert_allclose(parts, [0.24, 0.10, 0.06], rtol=0, atol=1e-12)
    assert result["delta"].values.tolist() == [[0.4]]


def test_attribution_adds_up_after_every_stage() -> None:
    result = netted()
    for stage in result["stage"].values:
        left = attribution_at(result, str(stage)).sum("model") - result["weight"].sel(stage=stage)
        assert float(np.abs(left).max()) < 1e-12
    xr.testing.assert_equal(attribution_at(result, "gross"), result["attribution"])


def test_caps_hold_by_name() -> None:
    result = netted()
    weight = np.abs(result["weight"].sel(stage="gross"))
    assert float(weight.max()) <= 0.4 + 1e-12
    by_class = weight.groupby("asset_class").sum("symbol").max("time")
    assert float(by_class.sel(asset_class="crypto")) == pytest.approx(0.2, abs=1e-12)
    assert float(by_class.sel(asset_class="equity")) <= 0.7 + 1e-12
    assert float(weight.sel(symbol="QQQ").max()) == pytest.approx(0.25, abs=1e-12)
    assert float(weight.sum("symbol").max()) == pytest.approx(0.8, abs=1e-12)


def test_tables_cubes_and_dicts_say_the_same() -> None:
    tables = targets()
    cube = xr.concat(
        [xr.DataArray(table, dims=("time", "symbol")) for table in tables.values()],
        pd.Index(list(tables), name="model"),
    )
    by_array = {name: cube.sel(model=name, drop=True) for name in tables}
    zoned = {name: table.tz_localize("UTC").tz_convert("America/New_York") for name, table in tables.items()}
    plain_models = [{"name": model.name, "budget": model.budget} for model in MODELS]
    expected = netted()
    for other in (cube.transpose("symbol", "time", "model").isel(model=[2, 0, 1]), by_array, zoned):
        xr.testing.assert_identical(netted(other), expected)
    settings = {
        "asset": 0.4,
        "asset_class": 0.7,
        "classes": {"crypto": 0.2},
        "sectors": {"tech": 0.25},
        "gross": 0.8,
    }
    by_dict = net(plain_models, tables, settings, classes=CLASSES, sectors=SECTORS)
    xr.testing.assert_identical(by_dict, expected)


def test_models_on_other_times_and_symbols_keep_their_last_targets() -> None:
    daily = pd.DataFrame({"SPY": [1.0, 0.5]}, index=TIMES[[0, 2]])
    often = pd.DataFrame({"BTC": [0.2, 0.4, 0.6]}, index=TIMES[[1, 2, 3]])
    models = [Model(name="a", budget=0.5, symbols=["SPY"]), Model(name="b", budget=0.5, symbols=["BTC"])]
    result = net(models, {"a": daily, "b": often}, NO_CAPS)
    assert pd.DatetimeIndex(result["time"].values).equals(TIMES[:4])
    final = result["weight"].sel(stage="gross")
    np.testing.assert_allclose(final.sel(symbol="SPY"), [0.5, 0.5, 0.25, 0.25])
    np.testing.assert_allclose(final.sel(symbol="BTC"), [0.0, 0.1, 0.2, 0.3])


def test_bar_by_bar_equals_the_whole() -> None:
    whole, tables = netted(), targets()
    result, parts = None, []
    for t in range(60):
        one = {name: table.iloc[[t]] for name, table in tables.items()}
        result = netted(one, before=result)
        parts.append(result)
    xr.testing.assert_identical(xr.concat(parts, "time", data_vars="minimal"), whole)


@pytest.mark.parametrize("cut", [1, 30, 59])
def test_the_future_changes_nothing(cut: int) -> None:
    regimes = pd.DataFrame({"equity": np.where(np.arange(60) % 9 < 4, "bear", "bull")}, index=TIMES)
    settings: dict[str, Any] = {
        "regime_budgets": {"equity_bear": 0.5},
        "regime_caps": {"equity_bear": Caps(gross=0.3)},
    }
    whole = netted(regimes=regimes, **settings)
    poisoned = {name: changed(table, cut, 50.0) for name, table in targets().items()}
    panic = changed(regimes, cut, "bear")
    for tables, known in ((targets(cut), regimes[:cut]), (poisoned, panic)):
        part = netted(tables, regimes=known, **settings)
        for name in ("weight", "attribution", "target", "budget", "delta"):
            assert part[name].values[:cut].tobytes() == whole[name].values[:cut].tobytes(), name
    earned = performance(whole, prices(), bars_per_year=365, cost_rate=0.001).curves
    jumped = changed(prices(), cut, 1e6)
    other = performance(whole, jumped, bars_per_year=365, cost_rate=0.001).curves
    for name in earned:
        assert earned[name].values[:cut].tobytes() == other[name].values[:cut].tobytes(), name


def test_the_smallest_regime_budget_applies() -> None:
    regimes = pd.DataFrame(
        {"equity": ["bear", "bear", "bull", None], "volatility_high": [False, True, True, False]},
        index=TIMES[:4],
    )
    one = pd.DataFrame({"SPY": [1.0] * 4}, index=TIMES[:4])
    settings = {"equity_bear": 0.5, "volatility_high": {"trend": 0.2, "macro": 0.9}}
    wanted = {model.name: one for model in MODELS}
    result = net(MODELS, wanted, NO_CAPS, regimes=regimes, regime_budgets=settings)
    expected = [[0.3, 0.125, 0.075], [0.12, 0.125, 0.075], [0.12, 0.25, 0.135], [0.6, 0.25, 0.15]]
    np.testing.assert_allclose(result["budget"], expected)
    np.testing.assert_allclose(result["weight"].sel(stage="models", symbol="SPY"), np.sum(expected, axis=1))


def test_the_smallest_regime_cap_applies_limit_by_limit() -> None:
    regimes = pd.DataFrame({"bear": [False, True, True], "panic": [False, False, True]}, index=TIMES[:3])
    extra = {"bear": {"asset": 0.3, "gross": 1.5}, "panic": Caps(asset=0.35, gross=0.1)}
    wanted = {model.name: pd.DataFrame({"SPY": [1.0] * 3}, index=TIMES[:3]) for model in MODELS}
    options: dict[str, Any] = {"classes": {"SPY": "equity"}, "regimes": regimes, "regime_caps": extra}
    result = net(MODELS, wanted, PLATFORM_CAPS, **options)
    np.testing.assert_allclose(result["weight"].sel(stage="asset", symbol="SPY"), [0.4, 0.3, 0.3])
    np.testing.assert_allclose(result["weight"].sel(stage="gross", symbol="SPY"), [0.4, 0.3, 0.1])


def test_the_regime_of_a_bar_is_the_last_one_known() -> None:
    regimes = pd.Series(["bear", "bull"], index=TIMES[[1, 3]], name="equity")
    flags = regime_flags(regimes, TIMES[:5])
    assert flags["equity_bear"].tolist() == [False, True, True, False, False]
    assert flags["equity_bull"].tolist() == [False, False, False, True, True]


def test_states_of_the_market_have_names() -> None:
    close = np.concatenate([np.linspace(50.0, 100.0, 280), np.linspace(99.0, 40.0, 120)])
    days = pd.date_range("2022-01-01", periods=420)
    states = market_states(days[:400], equity=source(close, days[:400], days))
    flags = regime_flags(states, days[:400])
    assert bool(flags["equity_bull"].iloc[270])
    assert bool(flags["equity_bear"].iloc[-1])
    wanted = {model.name: pd.DataFrame({"SPY": [1.0]}, index=days[399:400]) for model in MODELS}
    result = net(MODELS, wanted, NO_CAPS, regimes=states, regime_budgets={"equity_bear": 0.5})
    assert float(result["weight"].sel(stage="gross").item()) == pytest.approx(0.5)


def test_explanation_names_models_targets_and_caps() -> None:
    regimes = pd.Series(["bear"], index=TIMES[:1], name="equity")
    found = explain(
        all_want_spy(regimes=regimes, regime_budgets={"equity_bear": {"trend": 0.5}}), "SPY", TIMES[0]
    )
    assert list(found.table.index) == ["trend", "reversion", "macro", PORTFOLIO]
    assert list(found.table.columns) == [
        "budget",
        "target_weight",
        "models",
        "asset",
        "class",
        "sector",
        "gross",
    ]
    np.testing.assert_allclose(found.table.loc["trend"], [0.3, 1.0, 0.3] + [0.3 * 4 / 7] * 4)
    assert found.sentences == (
        "SPY has a weight of 40% of NAV from 2024-01-01 21:00 UTC on; it changes by +40%.",
        "The budget of trend is 30% instead of 60% while equity_bear holds.",
        "trend wants 100% of its budget of 30%: 30% of NAV.",
        "reversion wants 100% of its budget of 25%: 25% of NAV.",
        "macro wants 100% of its budget of 15%: 15% of NAV.",
        "The cap per asset, 40%, takes it from 70% to 40%.",
        "The weight is made of 17.14% from trend, 14.29% from reversion, 8.57% from macro.",
    )
    assert found.text.count("\n") == 6


def test_explanation_of_every_position_adds_up() -> None:
    result = netted()
    told = ""
    for symbol in SYMBOLS:
        for time in TIMES[::3]:
            found = explain(result, symbol, time)
            stages = found.table.loc[:, "models":]
            np.testing.assert_allclose(stages.iloc[:-1].sum(), stages.iloc[-1], rtol=0, atol=1e-12)
            told += found.text + "\n"
    for part in (
        "cross inside",
        "No cap changes it",
        "The class crypto is",
        "over its cap of 20%",
        "The sector tech is",
        "Gross leverage is",
    ):
        assert part in told


def test_explanation_holds_until_the_next_bar_and_knows_its_names() -> None:
    result = netted()
    between = explain(result, "SPY", TIMES[3] + pd.Timedelta(hours=5))
    pd.testing.assert_frame_equal(between.table, explain(result, "SPY", TIMES[3].tz_localize("UTC")).table)
    with pytest.raises(NotFoundError, match="`symbol` was 'SPX'; did you mean `SPY`"):
        explain(result, "SPX", TIMES[3])
    with pytest.raises(NotFoundError, match="no bar at or before 2023-12-31"):
        explain(result, "SPY", "2023-12-31")
    with pytest.raises(ParameterError, match="`stage` was 'assets'; did you mean `asset`"):
        attribution_at(result, "assets")


def test_explanation_of_nothing_and_of_what_cancels() -> None:
    silent = {model.name: SPY_ONLY * np.nan for model in MODELS}
    nothing = explain(net(MODELS, silent, NO_CAPS), "SPY", TIMES[0])
    assert nothing.sentences[1:] == ("No model wants any.", "No cap changes it.")
    models = [Model(name="bull", budget=0.5), Model(name="bear", budget=0.5)]
    result = net(models, {"bull": SPY_ONLY, "bear": -SPY_ONLY}, NO_CAPS)
    assert "50% long and 50% short meet: 50% cross inside." in explain(result, "SPY", TIMES[0]).sentences


def test_orders_round_towards_zero_and_show_what_is_left() -> None:
    result = netted()
    found = orders(
        result, prices(), equity=100_000.0, lots={**dict.fromkeys(SYMBOLS, 1.0), "BTC": 1e4}, cost_rate=0.0005
    )
    held = found["position"] - found["order_qty"]
    np.testing.assert_allclose(held.values[1:], found["position"].values[:-1], rtol=0, atol=1e-12)
    btc = found["position"].sel(symbol="BTC").values
    np.testing.assert_array_equal(np.rint(btc * 1e4) / 1e4, btc)
    assert (found["order_qty"].sel(symbol="SPY") % 1.0 == 0.0).all()
    together = result["attribution"].sum("model") + found["rounding"]
    np.testing.assert_allclose(together, found["weight_after"], rtol=0, atol=1e-12)
    is_priced = prices().notna().to_numpy()
    excess = np.abs(found["weight_after"].values) - np.abs(result["weight"].sel(stage="gross").values)
    assert excess[is_priced].max() <= 1e-12
    np.testing.assert_array_equal(found["order_qty"].values[~is_priced], 0.0)
    assert float(found["rounding"].sel(symbol="BTC").where(is_priced[:, 3]).min()) > -1e-5


def test_orders_start_from_positions() -> None:
    result = all_want_spy()
    price = pd.DataFrame({"SPY": [50.0]}, index=TIMES[:1])
    found = orders(result, price, equity=100_000.0, positions={"SPY": 1_000.0})
    assert found["order_qty"].item() == -200.0
    assert found["equity"].item() == 100_000.0
    assert found["weight_before"].item() == 0.5
    assert found["delta"].item() == pytest.approx(-0.1)


def test_performance_adds_up_to_the_portfolio() -> None:
    result = netted()
    found = performance(result, prices(), bars_per_year=365, cost_rate=0.001)
    curves, models = found.curves, [model.name for model in MODELS]
    for name in ("contribution", "profit", "cost"):
        parts = curves[name].sel(model=models).sum("model")
        np.testing.assert_allclose(parts, curves[name].sel(model=PORTFOLIO), rtol=0, atol=1e-14)
    total = curves["profit"].sel(model=PORTFOLIO).sum().item()
    assert total == pytest.approx(curves["equity"].sel(model=PORTFOLIO).values[-1] - 1.0, abs=1e-12)
    assert found.metrics.loc[models, "profit"].sum() == pytest.approx(found.metrics.loc[PORTFOLIO, "profit"])
    netted_turnover = curves["turnover"].sel(model=PORTFOLIO)
    assert bool((netted_turnover <= curves["turnover"].sel(model=models).sum("model") + 1e-12).all())
    assert found.by_regime.empty


def test_figures_agree_with_their_definitions() -> None:
    price = prices().ffill().bfill()
    models = [Model(name="hold", budget=0.5)]
    wanted = pd.DataFrame(1.0, index=TIMES, columns=["SPY"])
    result = net(models, {"hold": wanted}, NO_CAPS)
    found = performance(result, price[["SPY"]], bars_per_year=252, risk_free=0.0)
    returns = price["SPY"].pct_change().to_numpy()[1:]
    np.testing.assert_allclose(
        found.curves["returns"].sel(model="hold").values[1:], returns, rtol=0, atol=1e-14
    )
    row = found.metrics.loc["hold"]
    growth = float(np.prod(1.0 + returns))
    assert row["total_return"] == pytest.approx(growth - 1.0)
    assert row["cagr"] == pytest.approx(growth ** (252 / 59) - 1.0)
    assert row["sharpe_ratio"] == pytest.approx(returns.mean() / returns.std(ddof=1) * np.sqrt(252))
    curve = price["SPY"]
    assert row["max_drawdown"] == pytest.approx((curve / curve.cummax() - 1.0).min())
    assert found.metrics.loc[PORTFOLIO, "total_return"] == pytest.approx(np.prod(1.0 + 0.5 * returns) - 1.0)


def test_costs_are_turnover_times_rate() -> None:
    price = pd.DataFrame({"SPY": [100.0, 100.0, 100.0]}, index=TIMES[:3])
    wanted = pd.DataFrame({"SPY": [1.0, np.nan, -1.0]}, index=TIMES[:3])
    result = net([Model(name="one", budget=0.5)], {"one": wanted}, NO_CAPS)
    curves = performance(result, price, bars_per_year=252, cost_rate=0.01).curves.sel(model="one")
    np.testing.assert_allclose(curves["turnover"], [0.5, 0.0, 1.0], atol=1e-15)
    np.testing.assert_allclose(curves["returns"], [-0.01, 0.0, -0.02], atol=1e-15)
    assert curves["drawdown"].values[0] == pytest.approx(-0.01)  # the peak is what it began with


def test_a_regime_owns_the_bars_after_its_decisions() -> None:
    price = pd.DataFrame({"SPY": [100.0, 110.0, 99.0, 99.0]}, index=TIMES[:4])
    wanted = pd.DataFrame({"SPY": [1.0] * 4}, index=TIMES[:4])
    regimes = pd.Series(["bull", "bear", "bear", "bull"], index=TIMES[:4], name="equity")
    result = net([Model(name="one", budget=1.0)], {"one": wanted}, NO_CAPS)
    table = performance(result, price, bars_per_year=252, regimes=regimes).by_regime
    assert table.loc[("equity_bull", "one"), "total_return"] == pytest.approx(0.1)
    assert table.loc[("equity_bear", "one"), "total_return"] == pytest.approx(-0.1)
    assert table["n_bars"].tolist() == [1, 1, 2, 2]
    assert table.loc[("equity_bear", PORTFOLIO), "max_drawdown"] == pytest.approx(-0.1)


def test_a_model_without_a_budget_has_no_returns() -> None:
    models = [Model(name="idle", budget=0.0), Model(name="one", budget=1.0)]
    result = net(models, {"idle": SPY_ONLY, "one": SPY_ONLY}, NO_CAPS)
    found = performance(result, pd.DataFrame({"SPY": [10.0]}, index=TIMES[:1]), bars_per_year=252)
    assert np.isnan(found.metrics.loc["idle", "total_return"])
    assert found.metrics.loc["idle", "profit"] == 0.0
    assert found.metrics.loc["one", "total_return"] == 0.0


def test_examples_run() -> None:
    parts = [
        importlib.import_module(f"{portfolio.__name__}.{m.name}")
        for m in pkgutil.iter_modules(portfolio.__path__)
    ]
    found = [doctest.testmod(module) for module in (*parts, netting)]
    assert sum(one.failed for one in found) == 0
    assert sum(one.attempted for one in found) >= 10


def test_held_for_years_a_stock_earns_its_own_return(real_data: Path) -> None:
    close = pd.read_csv(real_data / "us_daily/stocknet_KO_daily.csv", index_col="date", parse_dates=True)[
        "close"
    ]
    price = close.to_frame("KO")
    once = pd.DataFrame({"KO": [1.0]}, index=price.index[:1])
    always = once.reindex(price.index)  # silent ever since: the first target holds
    found = performance(
        net([Model(name="hold", budget=1.0)], {"hold": always}, NO_CAPS), price, bars_per_year=252
    )
    assert found.metrics.loc["hold", "total_return"] == pytest.approx(close.iloc[-1] / close.iloc[0] - 1.0)
    drawdown = (close / close.cummax() - 1.0).min()
    assert found.metrics.loc["hold", "max_drawdown"] == pytest.approx(drawdown)


def test_profiles_are_the_specified_ones() -> None:
    assert (PLATFORM_CAPS.asset, PLATFORM_CAPS.classes, PLATFORM_CAPS.gross) == (0.4, {"crypto": 0.2}, 1.2)
    assert (STOCK_CAPS.asset, STOCK_CAPS.sector) == (0.05, 0.25)


def test_results_can_be_stored_and_explained_afterwards(tmp_path: Path) -> None:
    result = netted()
    write_cube(result, tmp_path / "netted", kind="result")
    stored = read_cube(tmp_path / "netted", kind="result")
    for name in result:
        assert stored[name].values.tobytes() == result[name].values.tobytes()
    assert explain(stored, "BTC", TIMES[9]).text == explain(result, "BTC", TIMES[9]).text


def frame(value: float = 1.0, symbol: str = "SPY") -> pd.DataFrame:
    return pd.DataFrame({symbol: [value, value]}, index=TIMES[:2])


def three(table: Any) -> dict[str, Any]:
    return {model.name: table for model in MODELS}


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([], "`models` is empty"),
        (
            [{"name": "a", "budget": 0.7}, {"name": "b", "budget": 0.5}],
            r"budgets add up to 120% \(a 70%, b 50%\)",
        ),
        ([{"name": "a", "budget": 0.1}] * 2, "`models` has 'a' more than once"),
        ([{"name": "a", "budget": float("nan")}], r"`models\[0\].budget` was nan, must be a fraction of NAV"),
        ([{"name": "a", "budget": -0.1}], r"`models\[0\].budget` was -0.1, must be a fraction of NAV"),
        ([{"name": "portfolio", "budget": 0.1}], r"`models\[0\].name` was 'portfolio'"),
        ([{"name": "a"}], r"`models\[0\].budget` is missing"),
        ([{"name": "a", "budget": 1, "symbol": "SPY"}], "did you mean `symbols`"),
    ],
)
def test_impossible_models_are_refused(models: list[Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        net(models, {"a": frame(), "b": frame()}, NO_CAPS)


def test_budgets_may_add_up_to_one_and_a_rounding_error() -> None:
    shares = (0.15, 0.55, 0.2, 0.1)
    assert ((0.15 + 0.55) + 0.2) + 0.1 > 1.0
    models = [Model(name=f"m{i}", budget=share) for i, share in enumerate(shares)]
    assert net(models, {model.name: frame() for model in models}, NO_CAPS).sizes["model"] == 4


def test_budgets_above_one_can_be_allowed() -> None:
    models = [Model(name="a", budget=0.7), Model(name="b", budget=0.5)]
    result = net(models, {"a": frame(), "b": frame()}, NO_CAPS, allow_leverage=True)
    assert result["weight"].values[0, -1, 0] == pytest.approx(1.2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"caps": {"asset": -0.1}}, r"`caps.asset` was -0.1, must be a fraction of NAV in \[0, 100\]"),
        ({"caps": {"asset": float("nan")}}, "`caps.asset` was nan"),
        ({"caps": {"classes": {"crypto": -1}}}, "`caps.classes.crypto` was -1"),
        (
            {"caps": {"assets": {"SPX": 0.1}}},
            "`caps.assets.SPX` is no symbol of `targets`; did you mean `SPY`",
        ),
        ({"caps": {"asset_class": 0.1}}, "`caps` limits classes but `classes` was not given"),
        ({"caps": STOCK_CAPS}, "`caps` limits sectors but `sectors` was not given"),
        (
            {"caps": {"asset_class": 0.1}, "classes": {"QQQ": "a"}},
            r"`classes` lacks 'SPY' \(1 of 1 symbols\)",
        ),
        ({"classes": {"SPY": 3}}, "`classes` of 'SPY' was 3, must be a name or None"),
        ({"regime_budgets": {"bear": 0.5}}, "`regime_budgets.bear` is no state of `regimes`; there are none"),
        (
            {
                "regime_budgets": {"equity_baer": 0.5},
                "regimes": pd.DataFrame({"equity_bear": [True]}, index=TIMES[:1]),
            },
            "`regime_budgets.equity_baer` is no state of `regimes`; did you mean `equity_bear`",
        ),
        ({"regime_budgets": {"bear": 1.5}}, r"`regime_budgets.bear` was 1.5, must be a factor in \[0, 1\]"),
        (
            {"regime_budgets": {"bear": {"tend": 0.5}}},
            "`regime_budgets.bear.tend` is no model; did you mean `trend`",
        ),
        ({"regime_caps": {"bear": {"gros": 1}}}, "`regime_caps.bear.gros` is unknown; did you mean `gross`"),
    ],
)
def test_impossible_settings_are_refused(options: dict[str, Any], message: str) -> None:
    caps = options.pop("caps", NO_CAPS)
    with pytest.raises(ConfigError, match=message):
        net(MODELS, three(frame()), caps, **options)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (three(frame()) | {"tend": frame()}, "`targets` has the model 'tend'; did you mean `trend`"),
        ({"trend": frame(), "macro": frame()}, "`targets` has model 'reversion' 0 times, must have it once"),
        (three(frame(np.inf)), "target of model 'trend' for 'SPY' at 2024-01-01 21:00:00 UTC was inf"),
        (three(frame(101.0)), "was 101, must be a fraction of its budget from -100 to 100, or NaN"),
        (three(frame()[::-1]), r"is not in time order: row 1 \(2024-01-01 21:00:00\)"),
        (three(frame().reset_index(drop=True)), "must be indexed by time, has int64 instead"),
        (three(pd.concat([frame(), frame()], axis=1)), "has the symbol 'SPY' more than once"),
        (three(frame().astype(str) + "%"), "must hold numbers"),
        (three([1.0]), r"`targets\['trend'\]` was a list, must be a DataFrame or a DataArray"),
        (three(frame()[:0]), "`targets` has 0 times and 1 symbols"),
        (xr.DataArray(np.ones((1, 1)), dims=("time", "symbol")), "`targets` has the dims"),
        (three(xr.DataArray(np.ones((1, 1)), dims=("t", "symbol"))), "has the dims"),
    ],
)
def test_impossible_targets_are_refused(tables: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        net(MODELS, tables, NO_CAPS)


def test_symbols_of_a_model_are_kept_to() -> None:
    models = [Model(name="a", budget=0.5, symbols=["SPY"])]
    with pytest.raises(
        DataError, match="model 'a' has a target for 'QQQ' at 2024-01-01 21:00:00 UTC, which is none"
    ):
        net(models, {"a": pd.concat([frame(), frame(symbol="QQQ")], axis=1)}, NO_CAPS)
    with pytest.raises(DataError, match="model 'a' trades 'SPY', which `targets` lacks"):
        net(models, {"a": frame(symbol="QQQ")}, NO_CAPS)


def test_what_came_before_must_fit() -> None:
    first = net(MODELS, three(frame()), NO_CAPS)
    later = pd.DataFrame({"SPY": [0.5]}, index=TIMES[2:3])
    following = net(MODELS, three(later), NO_CAPS, before=first)
    assert following["delta"].values.tolist() == [[-0.5]]
    actual = net(MODELS, three(later), NO_CAPS, before=first, current={"SPY": 0.75})
    assert actual["delta"].values.tolist() == [[-0.25]]
    with pytest.raises(DataError, match="must end before 2024-01-01"):
        net(MODELS, three(frame()), NO_CAPS, before=first)
    with pytest.raises(DataError, match="`before` has other labels of symbol"):
        net(MODELS, three(later.rename(columns={"SPY": "QQQ"})), NO_CAPS, before=first)
    with pytest.raises(DataError, match="`current` has 'QQQ', which `targets` lacks"):
        net(MODELS, three(frame()), NO_CAPS, current={"QQQ": 0.1})
    with pytest.raises(DataError, match="`current` of 'SPY' was nan"):
        net(MODELS, three(frame()), NO_CAPS, current={"SPY": float("nan")})


@pytest.mark.parametrize(
    ("regimes", "message"),
    [
        (pd.DataFrame({"equity": [1, 2]}, index=TIMES[:2]), "`regimes` column 'equity' holds 1; states are"),
        (pd.DataFrame({"equity": ["a", "b"]}), "`regimes` must be indexed by time"),
        ({"equity": "bear"}, "`regimes` was a dict"),
    ],
)
def test_impossible_regimes_are_refused(regimes: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        net(MODELS, three(frame()), NO_CAPS, regimes=regimes)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"equity": 0.0}, ConfigError, "`equity` was 0.0, must be an amount above 0"),
        ({"lots": 0.0}, ConfigError, "`lots` of 'SPY' was 0.0, must be a number above 0"),
        ({"min_qty": {"QQQ": 1.0}}, ConfigError, "`min_qty` lacks 'SPY'"),
        ({"cost_rate": -0.1}, ConfigError, "`cost_rate` of 'SPY' was -0.1, must be a number at least 0"),
        ({"positions": {"QQQ": 1.0}}, DataError, "`positions` has 'QQQ'"),
        (
            {"prices": frame(np.nan), "positions": {"SPY": 2.0}},
            DataError,
            "`prices` has none for 'SPY' on the first",
        ),
        ({"prices": frame(symbol="QQQ")}, DataError, r"`prices` lacks 'SPY' \(1 of 1 symbols\)"),
        ({"prices": frame()[:1]}, DataError, r"`prices` lacks 2024-01-02 21:00:00 UTC \(1 of 2 times"),
    ],
)
def test_impossible_orders_are_refused(change: dict[str, Any], error: type[Exception], message: str) -> None:
    settings = {"prices": frame(), "equity": 1e5} | change
    with pytest.raises(error, match=message):
        orders(net(MODELS, three(frame()), NO_CAPS), settings.pop("prices"), **settings)


def test_impossible_rates_are_refused() -> None:
    result = net(MODELS, three(frame()), NO_CAPS)
    with pytest.raises(ConfigError, match=r"`bars_per_year` was 0\.0"):
        performance(result, frame(), bars_per_year=0.0)
    with pytest.raises(ConfigError, match="`risk_free` was nan"):
        performance(result, frame(), bars_per_year=252.0, risk_free=float("nan"))


def big() -> tuple[list[Model], xr.DataArray, FloatArray]:
    rng = np.random.default_rng(1)
    n_bars, n_models, n_symbols = 252, 10, 100
    models = [Model(name=f"m{i}", budget=0.1) for i in range(n_models)]
    block = rng.normal(0.0, 0.05, (n_bars, n_models, n_symbols))
    times = pd.date_range("2020-01-01", periods=n_bars)
    coords = {
        "time": times,
        "model": [model.name for model in models],
        "symbol": [f"S{i}" for i in range(n_symbols)],
    }
    cube = xr.DataArray(block, coords=coords, dims=("time", "model", "symbol"))
    return models, cube, 50.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, (n_bars, n_symbols)), axis=0))


def test_many_models_and_symbols_add_up() -> None:
    models, cube, walk = big()
    labels = {str(symbol): f"sector{i % 7}" for i, symbol in enumerate(cube["symbol"].values)}
    result = net(models, cube, Caps(asset=0.005, sector=0.02, gross=0.1), sectors=labels)
    for stage in result["stage"].values:
        left = attribution_at(result, str(stage)).sum("model") - result["weight"].sel(stage=stage)
        assert float(np.abs(left).max()) < 1e-12
    price = xr.DataArray(
        walk, coords={"time": cube["time"], "symbol": cube["symbol"]}, dims=("time", "symbol")
    )
    found = performance(result, price, bars_per_year=252, cost_rate=0.0005)
    assert found.metrics.notna().all().all()
