"""The paper runner: its ledger is a backtest's run to the bit, and it may stop and go on anywhere."""

import dataclasses
import random
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from fluxhero.adapters.paper_broker import PaperBroker
from fluxhero.api.paper import Progress, open_replay
from fluxhero.engine.backtest import backtest
from fluxhero.engine.errors import BrokerError, DataError, NotFoundError, StoreError
from fluxhero.engine.series import with_series
from fluxhero.store.ledger import Ledger
from fluxhero.store.lock import LockedError
from fluxhero.tests.oracles.markets import Weather
from fluxhero.tests.oracles.paper_cases import ALL_IN, BUSIEST, BUSY, HALTS, PAPER_CASES, PaperCase, bracket
from fluxhero.tests.oracles.paper_ledger import dump, finished, opened

pytestmark = pytest.mark.usefixtures("one_loop_for_all")

# ---- parity


@pytest.mark.parametrize("name", PAPER_CASES)
def test_ledger_equals_backtest_to_the_bit(name: str, tmp_path: Path) -> None:
    case = PAPER_CASES[name]
    assert case.happened(backtest(case.loaded(), case.market(), **case.conditions()))
    with opened(case, tmp_path / "ledger.db") as replay:
        assert replay.run()
        assert [found.sentence() for found in replay.verify() if not found.is_equal] == []


@pytest.mark.parametrize("seed", range(2, 6))
def test_other_seeds_are_equal_too(seed: int, tmp_path: Path) -> None:
    case = PaperCase("sma_cross_trail", n_sessions=4, seed=seed, n_symbols=3)
    with opened(case, tmp_path / "ledger.db") as replay:
        assert replay.run()
        assert all(found.is_equal for found in replay.verify())


def test_every_row_may_be_a_checkpoint(tmp_path: Path) -> None:
    sparse = finished(BUSY, tmp_path / "sparse.db")
    dense = finished(BUSY, tmp_path / "dense.db", every_row=True)
    assert dense == sparse


def test_ledger_holds_the_frames_of_the_run(tmp_path: Path) -> None:
    run = backtest(BUSY.loaded(), BUSY.market(), **BUSY.conditions())
    finished(BUSY, tmp_path / "ledger.db")
    with Ledger(tmp_path / "ledger.db", read_only=True) as ledger:
        for symbol in ("S0", "S1"):
            frame = run.trades[run.trades["symbol"] == symbol]
            assert [trade.pnl for trade in ledger.trades("paper", symbol=symbol)] == frame["pnl"].tolist()
            fills = run.fills[run.fills["symbol"] == symbol]
            assert [fill.price for fill in ledger.fills("paper", symbol=symbol)] == fills["price"].tolist()
            points = np.array([point.equity for point in ledger.equity("paper", symbol=symbol)])
            assert points.tobytes() == run.equity.sel(symbol=symbol).values.tobytes()
        assert len(ledger.decisions("paper")) == len(run.decisions)


def test_verification_finds_a_difference(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    finished(BUSY, path)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE trades SET pnl = pnl + 1e-9 WHERE seq = 3")
    connection.execute("DELETE FROM equity WHERE ts_ns = (SELECT max(ts_ns) FROM equity)")
    connection.commit()
    connection.close()
    with opened(BUSY, path) as replay:
        sentences = {found.what: found.sentence() for found in replay.verify()}
    assert "`pnl` is" in sentences["trades"]
    assert "is missing on paper" in sentences["equity at every close"]
    assert sentences["fills"].endswith("equal to the bit")


# ---- one account for all, a slippage of the strategy's own


def test_a_shared_account_stands_in_the_ledger_once(tmp_path: Path) -> None:
    market = BUSIEST.market()
    finished(BUSIEST, tmp_path / "ledger.db")
    with Ledger(tmp_path / "ledger.db", read_only=True) as ledger:
        points = ledger.equity("paper")
        positions = ledger.positions("paper")
    assert {point.symbol for point in points} == {"account"}
    assert len(points) == market.sizes["time"]
    assert {(one.cash, one.equity) for one in positions} == {(points[-1].cash, points[-1].equity)}


SLIPPAGE = """

def slippage(side, qty, price, mean_volume, costs):
    share = qty / mean_volume if mean_volume > 0.0 else 0.0
    return 0.0003 + 0.01 * share if side > 0.0 else 0.0002 + 0.02 * share
"""


def test_slippage_of_the_strategy_is_paid_on_paper_too(tmp_path: Path) -> None:
    path, market = tmp_path / "rule.py", BUSY.market()
    path.write_text(BUSY.loaded().path.read_text() + SLIPPAGE)
    with open_replay(market, tmp_path / "ledger.db", strategy=path, **BUSY.conditions()) as replay:
        assert replay.run()
        assert [found.sentence() for found in replay.verify() if not found.is_equal] == []
    assert backtest(path, market, **BUSY.conditions()).fills["cost"].min() > 0.0


@pytest.mark.parametrize("seed", range(3))
def test_rules_of_many_words_are_equal_whatever_the_market(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    weather = Weather(
        volume=chance.choice([100.0, 1000.0, 1e6]),
        missing_chance=chance.choice([0.0, 0.2]),
        absent_chance=chance.choice([0.0, 0.1]),
        half_session_chance=chance.choice([0.0, 0.5]),
    )
    execution = {
        "timing": chance.choice(["open", "close"]),
        "intrabar": chance.choice(["stop_first", "target_first", "path"]),
        "limit_fill": chance.choice(["through", "touch"]),
        "limit_gap": chance.choice(["open", "limit"]),
        "participation": chance.choice([None, 0.02, 0.3]),
        "delay_bars": chance.choice([0, 1, 3]),
        "missed_fills": chance.choice([0.0, 0.2]),
        "tick_rounding": chance.choice([False, True]),
    }
    settings = {
        "execution": execution,
        "account": chance.choice(["own", "shared"]),
        "risk": chance.choice(["retail", HALTS, ALL_IN]),
        "delay_s": chance.choice([0.0, 60.0, 240.0]),
    }
    params = {
        "stop": chance.choice([0.003, 0.01]),
        "target": chance.choice([0.0, 0.004, 0.02]),
        "trailing": chance.choice([0.0, 0.006]),
        "offset": chance.choice([-0.001, 0.002]),
        "risk": chance.choice([0.01, 0.2]),
        "patience": float(chance.randint(0, 12)),
    }
    case = bracket(
        params,
        weather=weather,
        timeframe="1m",
        decision_timeframe=chance.choice(["1m", "5m", "15m"]),
        n_sessions=3,
        n_symbols=3,
        seed=seed,
        settings=settings,
    )
    with opened(case, tmp_path / "ledger.db") as replay:
        replay.run(should_stop=lambda: replay.n_done >= 0.4 * replay.n_rows)
    with opened(case, tmp_path / "ledger.db") as replay:
        assert replay.run()
        assert [found.sentence() for found in replay.verify() if not found.is_equal] == []


# ---- a person stops it


def test_an_emergency_stop_closes_everything_and_resume_trades_on(tmp_path: Path) -> None:
    with opened(BUSY, tmp_path / "ledger.db") as replay:
        replay.run(should_stop=lambda: any(one.qty for one in replay.positions()))
        replay.intervene("emergency_stop", "news")
        replay.run(should_stop=lambda: replay.n_done >= 300)
    with opened(BUSY, tmp_path / "ledger.db") as replay:
        assert replay.ts_ns > 0
        replay.run(should_stop=lambda: replay.n_done >= 500)
        n_trades = int(replay.metrics()["n_trades"].sum())
        replay.intervene("resume")
        assert replay.run()
        assert int(replay.metrics()["n_trades"].sum()) > n_trades
    with Ledger(tmp_path / "ledger.db", read_only=True) as ledger:
        assert [one.kind for one in ledger.interventions("paper")] == ["emergency_stop", "resume"]
        first, second = (one.ts_ns for one in ledger.interventions("paper"))
        between = [fill for fill in ledger.fills("paper") if first < fill.ts_ns <= second]
        assert {fill.reason for fill in between} == {"stopped by hand"}
        assert any(fill.ts_ns > second for fill in ledger.fills("paper"))


# ---- what is allowed


def test_a_second_runner_is_refused(tmp_path: Path) -> None:
    with (
        opened(BUSY, tmp_path / "ledger.db"),
        pytest.raises(LockedError, match="in use"),
        opened(BUSY, tmp_path / "ledger.db"),
    ):
        pass


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"params": {"stop": 0.005, "target": 0.002}}, r"`params.stop` is 0.004 there and 0.005 now"),
        ({"strategy": "sma_cross_trail", "params": {}}, r"`strategy` is 'always_in' there"),
        ({"seed": 2}, r"`data_hash` is"),
        ({"settings": {"delay_s": 60.0}}, r"`delay_s` is 300.0 there and 60.0 now"),
        ({"settings": {"delay_s": 300.0, "costs": "zero"}}, r"`costs.commission_per_share`"),
        ({"decision_timeframe": "30m"}, r"`decision_timeframe` is '15m' there and '30m' now"),
    ],
)
def test_a_run_under_other_conditions_is_refused(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    with opened(BUSY, tmp_path / "ledger.db") as replay:
        replay.run(should_stop=lambda: replay.n_done >= 100)
    other = dataclasses.replace(BUSY, **change)
    with pytest.raises(StoreError, match=words), opened(other, tmp_path / "ledger.db"):
        pass


def test_an_edited_strategy_is_refused(tmp_path: Path) -> None:
    source = BUSY.loaded().path.read_text()
    file = tmp_path / "rule.py"
    market = BUSY.market()
    file.write_text(source)
    with open_replay(market, tmp_path / "ledger.db", strategy=file, decision_timeframe="15m") as replay:
        replay.run(should_stop=lambda: True)
    file.write_text(source.replace("bar.open * (1.0 - 2.0 * p.stop)", "bar.open * (1.0 - 3.0 * p.stop)"))
    with (
        pytest.raises(StoreError, match="`strategy_code` is"),
        open_replay(market, tmp_path / "ledger.db", strategy=file, decision_timeframe="15m"),
    ):
        pass


def test_resuming_nothing_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(NotFoundError, match="no run 'paper' to resume"),
        opened(BUSY, tmp_path / "ledger.db", must_resume=True),
    ):
        pass


def test_a_ledger_holds_several_runs(tmp_path: Path) -> None:
    first = finished(BUSY, tmp_path / "ledger.db", run_id="first")
    with opened(BUSY, tmp_path / "ledger.db", run_id="second") as replay:
        assert replay.run()
        assert all(found.is_equal for found in replay.verify())
    assert len(dump(tmp_path / "ledger.db")["trades"]) == 2 * len(first["trades"])


def test_a_complete_run_stays_as_it_is(tmp_path: Path) -> None:
    before = finished(BUSY, tmp_path / "ledger.db")
    with opened(BUSY, tmp_path / "ledger.db", must_resume=True) as replay:
        assert replay.is_finished
        assert replay.run()
    assert dump(tmp_path / "ledger.db") == before


# ---- stop and resume


def test_stopping_after_any_row_and_resuming_changes_nothing(tmp_path: Path) -> None:
    whole = finished(BUSY, tmp_path / "whole.db")
    chance = random.Random(5)
    path = tmp_path / "pieces.db"
    for _ in range(200):
        with opened(BUSY, path) as replay:
            stop_at = replay.n_done + chance.randint(1, 60)
            if replay.run(should_stop=lambda: replay.n_done >= stop_at):  # noqa: B023
                break
    assert dump(path) == whole


def test_progress_tells_rate_equity_and_positions(tmp_path: Path) -> None:
    told: list[Progress] = []
    with opened(BUSY, tmp_path / "ledger.db") as replay:
        replay.run(progress=told.append)
        last = told[-1]
        assert (last.done, last.total) == (replay.n_rows, replay.n_rows)
    assert last.rate > 0.0
    assert last.left_s == 0.0
    assert last.equity == pytest.approx(200_000.0, rel=0.2)


def test_broker_that_disagrees_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = PaperBroker._end_session

    def generous(self: PaperBroker) -> None:
        original(self)
        self._accounts["S1"].cash += 0.01

    monkeypatch.setattr(PaperBroker, "_end_session", generous)
    with (
        opened(BUSY, tmp_path / "ledger.db") as replay,
        pytest.raises(BrokerError, match="does not agree about 'S1'"),
    ):
        replay.run()


# ---- series from outside


def _signalled() -> xr.Dataset:
    market = BUSY.market()
    rng = np.random.default_rng(4)
    shape = (market.sizes["symbol"], market.sizes["time"])
    entries = rng.choice([-1.0, 0.0, 1.0, np.nan], shape, p=[0.1, 0.75, 0.1, 0.05])
    return with_series(market, entries=entries, exits=rng.random(shape) < 0.1, unread=1.0)


def test_series_reach_the_rule_on_paper_too(tmp_path: Path) -> None:
    market, path, settings = _signalled(), tmp_path / "ledger.db", {"params": {"stop": 0.004}}
    assert len(backtest("signals", market, **settings).trades) > 20
    for part in (0.3, 0.7, 1.0):  # three processes, one run
        with open_replay(market, path, strategy="signals", **settings) as replay:
            replay.run(should_stop=lambda part=part, replay=replay: replay.n_done >= part * replay.n_rows)
            assert replay.n_done >= part * replay.n_rows
    with open_replay(market, path, strategy="signals", **settings) as replay:
        assert replay.is_finished
        assert [found.sentence() for found in replay.verify() if not found.is_equal] == []


def test_a_market_without_its_series_is_not_traded(tmp_path: Path) -> None:
    with (
        pytest.raises(DataError, match="reads the series `entries`"),
        open_replay(BUSY.market(), tmp_path / "ledger.db", strategy="signals"),
    ):
        pass
    assert not (tmp_path / "ledger.db").exists()
