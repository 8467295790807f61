"""Sweep, replay and backtest from the command line: what they print, what they leave, what they refuse."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from typer.testing import CliRunner, Result

from fluxhero.api.cli import app
from fluxhero.store.experiments import Experiments
from fluxhero.store.market import write_market
from fluxhero.store.results import read_result, write_result

SIZE = ("--n-symbols", "2", "--sessions", "30", "--seed", "5")
GRID = ("--grid", "entry_atr=0.1,0.3", "--grid", "rsi_low=25:45:3")
BEST_FIRST = ["rank", "trial", "cell", "params", "score"]


def fluxhero(*args: str) -> Result:
    return CliRunner().invoke(app, args, env={"COLUMNS": "200"})


def succeeded(*args: str) -> Result:
    done = fluxhero(*args)
    assert done.exit_code == 0, done.stderr
    return done


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished sweep; tests only read it."""
    folder = tmp_path_factory.mktemp("swept")
    before = Path.cwd()
    os.chdir(folder)
    try:
        succeeded("sweep", *SIZE, *GRID, "--out", "swept")
    finally:
        os.chdir(before)
    return folder / "swept"


def test_a_sweep_leaves_a_cube_a_report_its_settings_and_an_experiment(here: Path) -> None:
    done = succeeded("sweep", *SIZE, *GRID, "--top", "3")
    (folder,) = here.glob("out/demo-*")
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "result.zarr", "sweep.yaml"]
    cube = read_result(folder / "result.zarr")
    assert dict(cube.sizes) == {"symbol": 2, "entry_atr": 2, "rsi_low": 3}
    with Experiments(here / "out" / "experiments.db", read_only=True) as experiments:
        (experiment,) = experiments.find()
    assert (experiment.kind, experiment.strategy, experiment.name) == ("sweep", "dual_mode", "demo")
    assert experiment.config["grid"]["rsi_low"] == {"start": 25.0, "stop": 45.0, "num": 3}
    assert experiment.data_hash == cube.attrs["data_hash"]
    assert Path(experiment.cube_path) == folder / "result.zarr"
    relative = folder.relative_to(here)
    assert f"Report:          {relative / 'report.html'}" in done.stdout
    assert f"Replay the best: fluxhero replay {relative / 'result.zarr'} entry_atr=" in done.stdout
    assert "6 trials x 2 symbols x 11,700 bars in" in done.stdout


def test_the_line_about_replaying_can_be_run(here: Path) -> None:
    done = succeeded("sweep", *SIZE, *GRID, "--out", "a folder")
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("Replay the best:"))
    import shlex

    replayed = succeeded(*shlex.split(line.partition(": ")[2])[1:])
    assert "equal to the cell of the cube, to the bit" in replayed.stderr


def test_settings_of_a_sweep_can_be_swept_again(swept: Path, here: Path) -> None:
    succeeded("sweep", str(swept / "sweep.yaml"), *SIZE, "--out", "again")
    xr.testing.assert_identical(
        read_result(swept / "result.zarr").drop_attrs(),
        read_result(here / "again" / "result.zarr").drop_attrs(),
    )


def test_json_is_all_of_stdout(here: Path) -> None:
    done = succeeded("sweep", *SIZE, *GRID, "--json", "--top", "2", "--rank-by", "total_return")
    told = json.loads(done.stdout)
    assert (told["n_trials"], told["symbols"], told["rank_by"]) == (6, ["ALFA", "BRVO"], "total_return")
    assert [list(trial)[:5] for trial in told["ranked"]] == [BEST_FIRST] * 2
    assert Path(told["report"]).is_file()
    cube = read_result(told["result"])
    assert told["ranked"][0]["total_return"] == cube["total_return"].median("symbol").max()


def test_a_log_without_a_terminal_has_no_control_characters(here: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fluxhero", "sweep", *SIZE, *GRID],
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    assert "sweep: 100 %" in done.stderr
    for text in (done.stdout, done.stderr):
        assert not set(text) & set("\x1b\r\x08\x07")


def test_an_existing_folder_is_never_written_into(here: Path) -> None:
    (here / "full").mkdir()
    (here / "full" / "thesis.txt").write_text("years of work")
    (here / "file").write_text("")
    for name, words in (("full", "not empty"), ("file", "is a file")):
        done = fluxhero("sweep", *SIZE, *GRID, "--out", name)
        assert done.exit_code == 2
        assert words in done.stderr
    assert [path.name for path in (here / "full").iterdir()] == ["thesis.txt"]


def test_the_number_of_threads_changes_no_bit(swept: Path, here: Path) -> None:
    succeeded("sweep", *SIZE, *GRID, "--threads", "1", "--out", "one")
    xr.testing.assert_identical(
        read_result(swept / "result.zarr").drop_attrs(),
        read_result(here / "one" / "result.zarr").drop_attrs(),
    )


def test_options_go_before_settings_and_these_before_the_file(here: Path) -> None:
    (here / "mine.yaml").write_text(
        "base: demo\ninitial_cash: 5000\ncosts: zero\ngrid:\n  exit_atr: null\n  trail_atr: null\n"
        "  entry_atr: [0.2, 0.4]\n  rsi_low: [30]\nheat_map_axes: null\n"
    )
    done = succeeded(
        *("sweep", "mine.yaml", *SIZE, "--out", "a", "--json"),
        *("--initial-cash", "7000", "--set", "costs.slippage=0.001", "--set", "params.rsi_high=60"),
    )
    cube = read_result(json.loads(done.stdout)["result"])
    assert dict(cube.sizes) == {"symbol": 2, "entry_atr": 2, "rsi_low": 1}
    assert cube.attrs["initial_cash"] == 7000.0
    costs = json.loads(cube.attrs["costs"])
    assert (costs["slippage"], costs["commission_per_share"]) == (0.001, 0.0)
    assert json.loads(cube.attrs["params"])["rsi_high"] == 60.0
    assert json.loads(done.stdout)["name"] == "mine"


def test_axes_stand_in_the_order_of_the_command_line(here: Path) -> None:
    axes = ("--grid", "mode=trend_only,dual", "--grid", "costs.slippage=0,0.001", "--grid", "entry_atr=0.2")
    succeeded("sweep", *SIZE, *axes, "--rank-by", "costs_paid", "--out", "a")
    cube = read_result("a/result.zarr")
    assert list(cube["costs_paid"].dims) == ["symbol", "mode", "costs.slippage", "entry_atr"]
    assert list(cube["mode"].values) == ["trend_only", "dual"]
    assert succeeded("replay", "a/result.zarr", "mode=dual", "costs.slippage=0.001")


def test_a_report_can_be_opened(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    succeeded("backtest", *SIZE, "--out", "a", "--open")
    assert opened == [(here / "a" / "report.html").as_uri()]
    monkeypatch.setattr("webbrowser.open", lambda _: False)
    assert "no browser" in succeeded("backtest", *SIZE, "--out", "b", "--open").stderr


def test_another_strategy_asks_for_a_grid_and_names_its_parameters(here: Path, root: Path) -> None:
    rule = root / "tests" / "data" / "strategies" / "sma_cross_trail.py"
    done = fluxhero("sweep", "--strategy", str(rule))
    assert done.exit_code == 2
    assert "needs a grid, such as --grid fast=1:100:5; it has fast [1, 100]" in done.stderr
    assert succeeded("sweep", "--strategy", str(rule), "--grid", "fast=2,3", *SIZE, "--out", "a")
    assert read_result("a/result.zarr").attrs["strategy"] == "sma_cross_trail"
    # The cube remembers where the rule is.
    assert succeeded("replay", "a/result.zarr", "fast=3", "symbol=BRVO")


def test_a_strategy_file_is_found_beside_its_configuration(here: Path, root: Path) -> None:
    rule = (root / "tests" / "data" / "strategies" / "sma_cross_trail.py").read_text()
    (here / "rules").mkdir()
    (here / "rules" / "cross.py").write_text(rule)
    (here / "rules" / "cross.yaml").write_text("strategy: cross.py\ngrid: {fast: [2, 3]}\n")
    succeeded("sweep", "rules/cross.yaml", *SIZE, "--out", "a")
    assert read_result("a/result.zarr").attrs["strategy"] == "cross"


def test_the_sample_market_is_kept_by_its_parameters_and_its_source(
    here: Path, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fluxhero.adapters import sample_market
    from fluxhero.api.commands.markets import load_market
    from fluxhero.api.commands.options import MarketOptions, SampleOptions
    from fluxhero.kernels.decorator import cache_root

    cache_root.cache_clear()
    try:
        options = MarketOptions(sample=SampleOptions(n_symbols=1, sessions=3))
        first = load_market(options).market
        (kept,) = (fresh_cache / "sample").glob("*.zarr")
        stamp = kept.stat().st_mtime_ns
        xr.testing.assert_identical(load_market(options).market, first)
        assert kept.stat().st_mtime_ns == stamp, "read, not made again"

        next(kept.rglob("c/0/0")).unlink()
        xr.testing.assert_identical(load_market(options).market, first)

        changed = here / "sample_market.py"
        changed.write_text(Path(str(sample_market.__file__)).read_text() + "\n# another generator\n")
        monkeypatch.setattr(sample_market, "__file__", str(changed))
        load_market(options)
        assert len(list((fresh_cache / "sample").glob("*.zarr"))) == 2
    finally:
        cache_root.cache_clear()


def test_daily_bars_are_decided_on_as_days(here: Path) -> None:
    write_daily_csv(here / "XYZ_daily.csv", 150)
    done = succeeded("sweep", "--data", "XYZ_daily.csv", *GRID, "--out", "a")
    assert "Imported XYZ 1d" in done.stderr
    assert "decisions are made on 1d bars" in done.stderr
    assert read_result("a/result.zarr").attrs["decision_timeframe"] == "1d"
    insisted = fluxhero("sweep", "--data", "XYZ_daily.csv", *GRID, "--decision-timeframe", "1h")
    assert insisted.exit_code == 2
    assert "`decision_timeframe` was '1h', but the market has '1d' bars" in insisted.stderr
    # The cube remembers what was imported, and replays it.
    assert succeeded("replay", "a/result.zarr", "entry_atr=0.3", "rsi_low=35")


def test_crypto_gets_the_costs_of_crypto_unless_others_are_chosen(here: Path) -> None:
    write_hourly_crypto_csv(here / "ABC_1h.csv", 300)
    data = ("--data", "ABC_1h.csv", "--symbol", "ABC", "--stamp", "end", "--asset-class", "crypto")
    done = succeeded("sweep", *data, *GRID, "--out", "a")
    assert "costs are those of crypto" in done.stderr
    assert json.loads(read_result("a/result.zarr").attrs["costs"])["commission_rate"] == 0.001
    succeeded("sweep", *data, *GRID, "--costs", "zero", "--out", "b")
    assert json.loads(read_result("b/result.zarr").attrs["costs"])["commission_rate"] == 0.0


def test_a_market_on_disk_is_swept_in_part(here: Path, small_market: xr.Dataset) -> None:
    write_market(small_market, here / "m.zarr")
    sessions = np.unique(small_market["session"].values).astype("datetime64[D]")
    done = succeeded(
        *("sweep", "--data", "m.zarr", "--symbols", "CHRL,ALFA", *GRID, "--json"),
        *("--start", str(sessions[5]), "--end", str(sessions[30])),
    )
    told = json.loads(done.stdout)
    assert told["symbols"] == ["CHRL", "ALFA"]
    assert told["n_bars"] == 25 * 390
    assert succeeded("replay", told["result"], "entry_atr=0.1", "rsi_low=25", "symbol=ALFA")


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (["entry_atr=0.1"], ["axis `rsi_low` needs a value", "25.0, 35.0, 45.0"]),
        (["entry_atr=0.2", "rsi_low=25"], ["axis `entry_atr` has no value 0.2", "0.1, 0.3"]),
        (["entry_atr=0.1", "rsi_low=25", "x=1"], ["no axis `x`"]),
        (["entry_atr=0.1", "rsi_low=25", "symbol=XX"], ["'XX' is not in the cube", "ALFA, BRVO"]),
        (["entry_atr"], ["`NAME=VALUE` was 'entry_atr'"]),
        (["entry_atr=0.1", "rsi_low=25", "--seed", "6", "--n-symbols", "2"], ["not the one"]),
    ],
)
def test_a_cell_that_is_not_there_is_refused(
    here: Path, swept: Path, cell: list[str], words: list[str]
) -> None:
    done = fluxhero("replay", str(swept / "result.zarr"), *cell)
    assert done.exit_code == 2
    for word in words:
        assert word in done.stderr
    assert not (here / "out").exists()


def test_a_replay_says_what_happened(here: Path, swept: Path) -> None:
    cell = ("entry_atr=0.1", "rsi_low=45")
    done = succeeded("replay", str(swept / "result.zarr"), *cell, "--json", "--trades-csv", "t.csv")
    told = json.loads(done.stdout)
    assert told["equals_cube"] is True
    assert told["params"]["rsi_low"] == 45.0
    assert set(told["metrics"]) == {"ALFA", "BRVO"}
    trades = pd.read_csv(here / "t.csv")
    assert len(trades) == len(told["trades"]) == sum(m["n_trades"] for m in told["metrics"].values())
    assert trades["entry_time"].str.endswith("Z").all()
    assert Path(told["report"]).is_file()


def test_a_replay_that_differs_from_its_cube_ends_with_1(here: Path, swept: Path) -> None:
    cube = read_result(swept / "result.zarr")
    cube["final_equity"] = cube["final_equity"] * (1.0 + 1e-15)
    write_result(cube, here / "altered.zarr")
    done = fluxhero("replay", "altered.zarr", "entry_atr=0.1", "rsi_low=25", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["differences"] == ["final_equity"]
    assert "differs from the cube in final_equity" in done.stderr


def test_a_cube_that_does_not_say_where_its_bars_are_asks_for_them(here: Path, swept: Path) -> None:
    cube = read_result(swept / "result.zarr")
    del cube.attrs["market"]
    write_result(cube, here / "r.zarr")
    done = fluxhero("replay", "r.zarr", "entry_atr=0.1", "rsi_low=25")
    assert done.exit_code == 2
    assert "give them with --data" in done.stderr
    assert succeeded("replay", "r.zarr", "entry_atr=0.1", "rsi_low=25", *SIZE)


def test_a_backtest_equals_the_cell_of_a_sweep(here: Path, swept: Path) -> None:
    done = succeeded(
        "backtest", *SIZE, "--params", "entry_atr=0.3,rsi_low=35", "--json", "--trades-csv", "trades/t.csv"
    )
    told = json.loads(done.stdout)
    cell = read_result(swept / "result.zarr").sel(entry_atr=0.3, rsi_low=35.0)
    for symbol, metrics in told["metrics"].items():
        for name, value in metrics.items():
            expected: Any = cell[name].sel(symbol=symbol).item()
            assert value == expected or (value is None and np.isnan(expected)), name
    assert len(pd.read_csv(here / "trades" / "t.csv")) == len(told["trades"])
    assert Path(told["report"]).is_file()
    with Experiments(here / "out" / "experiments.db", read_only=True) as experiments:
        assert experiments.get(told["experiment"]).kind == "backtest"


def test_a_backtest_shows_a_table_per_symbol(here: Path) -> None:
    done = succeeded("backtest", *SIZE, "--params", "mode=trend_only")
    assert "ALFA" in done.stdout
    assert "Report: out/dual_mode-" in done.stdout
    assert "decisions are made on 1h bars" in done.stderr


def test_results_stand_without_the_experiments_database(here: Path) -> None:
    (here / "out").write_text("a file where the folder should be")
    done = succeeded("backtest", *SIZE, "--out", "a")
    assert "not entered into the experiments database" in done.stderr
    assert (here / "a" / "report.html").is_file()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for other processes")
def test_ctrl_c_ends_a_sweep_and_leaves_nothing(here: Path) -> None:
    fine = ("--grid", "entry_atr=0.01:2:400", "--grid", "trail_atr=1:4:400")
    process = subprocess.Popen(
        [sys.executable, "-m", "fluxhero", "sweep", *SIZE, *fine],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    first = process.stderr.readline()
    while first and "sweep: " not in first:
        first = process.stderr.readline()
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "fluxhero: interrupted"
    assert out == ""
    assert not (here / "out").exists()


def test_spy_can_be_swept_from_its_file(here: Path, real_data: Path) -> None:
    path = real_data / "us_daily" / "lean_SPY_daily_raw.csv"
    told = json.loads(succeeded("sweep", "--data", str(path), *GRID, "--json").stdout)
    assert (told["symbols"], told["n_bars"], told["decision_timeframe"]) == (["SPY"], 5535, "1d")


def prices(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Opens and closes of a random walk."""
    close = 100.0 * np.exp(np.cumsum(np.random.default_rng(7).normal(0.0, 0.01, n)))
    return np.r_[100.0, close[:-1]], close


def write_bars(path: Path, stamps: list[str], name: str) -> None:
    opens, closes = prices(len(stamps))
    rows = [f"{name},open,high,low,close,volume"]
    for stamp, open_, close in zip(stamps, opens, closes, strict=True):
        high, low = max(open_, close) * 1.001, min(open_, close) * 0.999
        rows.append(f"{stamp},{open_:.4f},{high:.4f},{low:.4f},{close:.4f},1000000")
    path.write_text("\n".join(rows) + "\n")


def write_daily_csv(path: Path, n: int) -> None:
    from fluxhero.adapters.calendars import session_grid

    days = session_grid("XNYS", "2018-01-02", "2019-12-31").session_ns.astype("datetime64[ns]")
    write_bars(path, [str(day)[:10] for day in days[:n]], "date")


def write_hourly_crypto_csv(path: Path, n: int) -> None:
    hours = np.datetime64("2020-01-01T01") + np.arange(n)
    write_bars(path, [f"{hour}:00:00Z" for hour in hours], "timestamp")
