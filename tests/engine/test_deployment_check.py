"""The checks before a strategy trades: each verdict once, on markets made by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import fluxhero as fx
from fluxhero.engine.audit import AuditReport, Finding
from fluxhero.engine.config import Costs, Risk
from fluxhero.engine.deployment_check import Check, DeploymentReport, session_returns
from fluxhero.engine.run import Run

RULES = Path(__file__).resolve().parents[1] / "data" / "strategies"
FREE = Costs(commission_per_share=0.0, slippage=0.0, impact=0.0)
OPEN = Risk(max_position=1.0, max_deployed=1.0, cash_rate=0.0, risk_free_rate=0.0)
ENTER, SHORT, LEAVE, NO_WORD = 777.0, 444.0, 888.0, 1.0
HOUR = 3_600_000_000_000
START = 473_352 * HOUR  # a midnight


def at(price: float, word: float = NO_WORD) -> tuple[float, ...]:
    return (price, price, price, price, word)


def market(*symbols: list[tuple[float, ...]]) -> xr.Dataset:
    table = np.array(symbols)
    time = START + HOUR * np.arange(1, table.shape[1] + 1)
    fields = [table[:, :, i] for i in range(5)]
    names = [f"S{i}" for i in range(len(symbols))]
    return fx.from_arrays(names, time, *fields, timeframe="1h", lot_size=1.0)


def run(*symbols: list[tuple[float, ...]], **settings: Any) -> Run:
    rule = settings.pop("rule", "by_volume")
    return fx.backtest(RULES / f"{rule}.py", market(*symbols), **({"costs": FREE, "risk": OPEN} | settings))


def verdicts(report: DeploymentReport) -> dict[str, str]:
    return {check.name: check.verdict for check in report.checks}


def check(report: DeploymentReport, name: str) -> Check:
    return next(one for one in report.checks if one.name == name)


IN = [at(50.0, ENTER), at(50.0)]
WIDE = {"params": {"distance": 10.0}}  # 20% of the price: 100 shares, a twentieth of equity
CLOSE = {"params": {"distance": 0.4}}  # 0.8% of the price


def test_a_quiet_run_passes() -> None:
    """Thirty trades of a fifth of capital, stops below 1%, no loss."""
    rows = [bar for _ in range(30) for bar in (at(50.0, ENTER), at(50.0), at(50.0, LEAVE), at(50.0))]
    params = {"distance": 0.4, "risk": 0.0015}
    report = fx.validate_deployment(run(rows, params=params))
    assert set(verdicts(report).values()) == {"PASS"}, report.text()
    assert (report.verdict, report.ok) == ("PASS", True)
    assert check(report, "position size").value == pytest.approx(0.1875)


def test_a_generated_market_fails() -> None:
    found = fx.backtest("dual_mode", fx.sample_market(1, sessions=3))
    report = fx.validate_deployment(found)
    assert check(report, "data").verdict == "FAIL"
    assert not report.ok


def test_more_than_40_per_cent_in_a_position_fails() -> None:
    report = fx.validate_deployment(run(IN, **CLOSE))  # all of the money
    found = check(report, "position size")
    assert (found.verdict, found.value, found.limit) == ("FAIL", 1.0, 0.4)
    assert "S0" in found.text


def test_a_stricter_profile_counts() -> None:
    found = run(IN, params={"risk": 0.01, "distance": 2.0})  # 25%
    assert check(fx.validate_deployment(found), "position size").verdict == "PASS"
    strict = fx.validate_deployment(found, risk=Risk(max_position=0.2))
    assert (check(strict, "position size").verdict, check(strict, "position size").limit) == ("FAIL", 0.2)


def test_a_position_that_grew_is_warned_of() -> None:
    rows = [at(50.0, ENTER), at(50.0), at(100.0)]
    risk = Risk(max_position=0.4, max_deployed=0.4, cash_rate=0.0)
    report = fx.validate_deployment(run(rows, params={"distance": 1.0}, risk=risk))
    found = check(report, "position size")
    assert (found.verdict, found.value) == ("WARN", pytest.approx(80_000.0 / 140_000.0))
    assert check(report, "exposure").verdict == "WARN"


def test_a_wide_stop_warns_and_fails_where_the_profile_limits_it() -> None:
    found = run(IN, **WIDE)
    default = check(fx.validate_deployment(found), "stop distance")
    assert (default.verdict, default.value, default.limit) == ("WARN", 0.2, 0.01)
    strict = check(fx.validate_deployment(found, risk="reversion"), "stop distance")
    assert (strict.verdict, strict.limit) == ("FAIL", 0.01)
    generous = Risk(max_stop=0.3, max_position=1.0, max_deployed=1.0)
    assert check(fx.validate_deployment(found, risk=generous), "stop distance").verdict == "PASS"


def test_no_stop_fails_for_money_and_warns_for_paper() -> None:
    risk = Risk(sizing="fraction", fraction=0.1, cash_rate=0.0)
    found = run(IN, rule="scripted", risk=risk)
    assert check(fx.validate_deployment(found), "stops").verdict == "FAIL"
    assert check(fx.validate_deployment(found, live=False), "stops").verdict == "WARN"
    assert check(fx.validate_deployment(found), "stops").value == 1.0


def test_a_rule_that_could_waive_its_stop_fails_too() -> None:
    found = check(fx.validate_deployment(run(IN, rule="scripted", params={"stop": 0.4})), "stops")
    assert (found.verdict, found.value) == ("FAIL", 0.0)
    assert "unprotected" in found.text


def test_exposure_of_a_shared_account_counts_what_is_held_and_what_is_asked_for() -> None:
    risk = Risk(max_position=0.4, max_deployed=1.0, cash_rate=0.0)
    found = run(IN, IN, IN, account="shared", params={"distance": 1.0}, risk=risk)
    report = fx.validate_deployment(found, risk=Risk(max_position=0.4, max_deployed=0.5))
    assert check(report, "exposure").value == pytest.approx(1.0)
    assert check(report, "exposure").verdict == "FAIL"
    assert check(fx.validate_deployment(found), "exposure").verdict == "PASS"


def test_a_short_that_outgrows_the_money_fails() -> None:
    rows = [at(50.0, SHORT), at(50.0), at(90.0)]
    found = run(rows, params={"distance": 60.0, "risk": 1.0})
    report = check(fx.validate_deployment(found), "exposure")
    assert (report.verdict, report.limit) == ("FAIL", 1.0)


@pytest.mark.parametrize(("low", "verdict"), [(45.0, "PASS"), (42.0, "WARN"), (39.0, "FAIL")])
def test_drawdown_warns_from_reduce_and_fails_from_halt(low: float, verdict: str) -> None:
    """All of the money in: the price's fall is the account's."""
    rows = [at(50.0, ENTER), at(50.0), at(low), at(50.0)]
    found = check(fx.validate_deployment(run(rows, params={"distance": 40.0, "risk": 0.9})), "drawdown")
    assert found.verdict == verdict
    assert found.value == pytest.approx(1.0 - low / 50.0, rel=0.2)


def test_the_profiles_own_drawdown_counts() -> None:
    rows = [at(50.0, ENTER), at(50.0), at(48.0), at(50.0)]
    found = run(rows, params={"distance": 40.0, "risk": 0.8})
    assert check(fx.validate_deployment(found), "drawdown").verdict == "PASS"
    assert check(fx.validate_deployment(found, risk="reversion"), "drawdown").verdict == "FAIL"


def test_halts_are_warned_of() -> None:
    risk = Risk(max_position=1.0, max_deployed=1.0, daily_loss=0.03, cash_rate=0.0)
    rows = [at(50.0, ENTER), at(50.0), at(48.0), at(48.0)]
    found = run(rows, params={"distance": 40.0, "risk": 0.8}, risk=risk)
    report = check(fx.validate_deployment(found), "halts")
    assert (report.verdict, report.value) == ("WARN", 1.0)
    assert "1 time for the day" in report.text


def test_too_few_trades_and_too_many_a_day() -> None:
    rows = [bar for _ in range(4) for bar in (at(50.0, ENTER), at(50.0), at(50.0, LEAVE), at(50.0))]
    found = run(rows, **CLOSE)
    assert check(fx.validate_deployment(found), "trades").verdict == "WARN"
    assert check(fx.validate_deployment(found), "trade frequency").verdict == "PASS"
    busy = check(fx.validate_deployment(found, risk="reversion"), "trade frequency")
    assert (busy.verdict, busy.value, busy.limit) == ("FAIL", 4.0, 3.0)


def _days(seed: int, n: int = 40) -> list[tuple[float, ...]]:
    """A bar a day; bought on the first."""
    rng = np.random.default_rng(seed)
    prices = 50.0 * np.exp(rng.normal(0.0, 0.01, n).cumsum())
    return [at(float(price), ENTER if i == 0 else NO_WORD) for i, price in enumerate(prices)]


def _daily(rows: list[tuple[float, ...]]) -> Run:
    table = np.array(rows)
    time = np.datetime64("2024-01-02") + np.arange(len(rows))
    bars = fx.from_arrays("S0", time, *table.T, timeframe="1d", lot_size=1.0)
    params = {"distance": 40.0, "risk": 0.9}
    return fx.backtest(RULES / "by_volume.py", bars, costs=FREE, risk=OPEN, params=params)


def test_strategies_that_move_together_are_warned_of() -> None:
    one, same, other, short = _daily(_days(1)), _daily(_days(1)), _daily(_days(2)), _daily(_days(3, 10))
    report = fx.validate_deployment(one, others=[same, other, short])
    found = [check for check in report.checks if check.name.startswith("correlation")]
    assert [check.verdict for check in found] == ["WARN", "PASS", "WARN"]
    assert found[0].value == pytest.approx(1.0)
    expected = pd.concat([session_returns(one), session_returns(other)], axis=1).corr().iloc[0, 1]
    assert found[1].value == pytest.approx(expected)
    assert np.isnan(found[2].value)


def test_an_audit_counts_where_it_is_given() -> None:
    finding = Finding("truncation", "feature `mean`", 7, 9, {})
    found = run(IN, **CLOSE)
    for findings, verdict in (((), "PASS"), ((finding,), "FAIL")):
        audit = AuditReport("rule.py", 1, 1, 10, 5, findings, {})
        assert check(fx.validate_deployment(found, audit=audit), "look-ahead").verdict == verdict
    unseen = AuditReport("rule.py", 1, 1, 10, 0, (), {})
    assert check(fx.validate_deployment(found, audit=unseen), "look-ahead").verdict == "FAIL"
    assert "look-ahead" not in verdicts(fx.validate_deployment(found))


@pytest.mark.parametrize("account", ["own", "shared"])
@pytest.mark.parametrize("n_symbols", [1, 2])
def test_no_trade_at_all_is_defined(account: str, n_symbols: int) -> None:
    report = fx.validate_deployment(run(*[[at(50.0)]] * n_symbols, account=account))
    assert report.ok
    assert report.verdict == "WARN"  # nothing is known of it
    json.dumps(report.to_dict(), allow_nan=False)
    for one in report.checks:
        assert one.text.endswith("."), one


def test_a_symbol_that_comes_late_is_defined() -> None:
    table = np.array([IN + [at(50.0)] * 3, [(np.nan,) * 5] * 3 + [at(50.0, ENTER), at(50.0)]])
    time = START + HOUR * np.arange(1, 6)
    bars = fx.from_arrays(["A", "B"], time, *(table[:, :, i] for i in range(5)), timeframe="1h", lot_size=1.0)
    found = fx.backtest(RULES / "by_volume.py", bars, costs=FREE, risk=OPEN)
    assert fx.validate_deployment(found).ok
    early = fx.risk_report(found, time[0])
    assert [account.equity for account in early.accounts] == [100_000.0, 100_000.0]


def test_rules_of_a_profile_stand_in_the_order_in_which_they_act() -> None:
    names = [rule.name for rule in fx.risk_rules("retail")]
    assert names == [
        "stop_atr",
        "sizing",
        "correlation_above",
        "max_position",
        "max_positions",
        "max_open_risk",
        "max_deployed",
        "drawdown_reduce",
        "drawdown_halt",
        "daily_loss",
    ]
    reversion = {rule.name: rule for rule in fx.risk_rules("reversion")}
    assert (reversion["max_stop"].value, reversion["max_stop"].kind) == (0.01, "stop")
    assert "3 entries" in reversion["max_trades"].text
    assert "for 1 session." in reversion["drawdown_halt"].text


def test_every_limit_of_a_profile_is_a_rule() -> None:
    """A new setting must be listed, or be named here as none that acts by itself."""
    parts = {"fraction", "target_volatility", "kelly_share", "correlation_size", "drawdown_size"}
    parts |= {"drawdown_stop", "halt_sessions", "min_rebalance", "cash_rate", "risk_free_rate"}
    everything = Risk(
        stop_atr=2.0,
        max_stop=0.1,
        max_trades=1,
        max_crypto=0.2,
        max_sector=0.2,
        max_positions=2,
        max_open_risk=0.1,
        correlation_above=0.7,
        drawdown_reduce=0.1,
        drawdown_halt=0.2,
        daily_loss=0.1,
    )
    rules = fx.risk_rules(everything)
    assert {rule.name for rule in rules} | parts == set(Risk.__struct_fields__)
    assert all(rule.text.endswith(".") for rule in rules)


@pytest.mark.parametrize("sizing", ["stop", "fraction", "equal", "volatility", "kelly"])
def test_sizing_is_told(sizing: str) -> None:
    rules = fx.risk_rules({"sizing": sizing, "max_positions": 4})
    (rule,) = (rule for rule in rules if rule.name == "sizing")
    assert (
        rule.to_dict()["value"]
        == {
            "stop": None,
            "fraction": 0.1,
            "equal": 0.125,
            "volatility": 0.15,
            "kelly": 0.5,
        }[sizing]
    )
