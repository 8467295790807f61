"""Every benchmark runs, at a tiny size, so that none rots; the comparison with peers can be started."""

import importlib
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fluxhero.kernels.decorator import is_compiling

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
SUPPORT = {"__init__", "markets", "parity_peers", "peers", "processes", "timing"}
PREFIXES = ("time_", "track_", "peakmem_")

if not BENCHMARKS.is_dir():
    pytest.skip("benchmarks are not part of this installation", allow_module_level=True)


def _methods() -> Iterator[Any]:
    """Every method that asv would call, with its class."""
    for path in sorted(BENCHMARKS.glob("*.py")):
        if path.stem in SUPPORT:
            continue
        module = importlib.import_module(f"fluxhero.benchmarks.{path.stem}")
        for name, kind in inspect.getmembers(module, inspect.isclass):
            if kind.__module__ != module.__name__ or name.startswith("_"):
                continue
            for method in dir(kind):
                if method.startswith(PREFIXES):
                    yield pytest.param(kind, method, id=f"{path.stem}.{name}.{method}")


METHODS = list(_methods())


@pytest.mark.skipif(not is_compiling(), reason="nothing to measure where kernels run as plain Python")
@pytest.mark.parametrize(("kind", "method"), METHODS)
def test_a_tiny_run_of_every_benchmark_succeeds(kind: type[Any], method: str) -> None:
    tiny = type(kind.__name__, (kind,), {**kind.tiny, "__module__": kind.__module__})
    params = getattr(kind, "tiny_params", ())
    assert len(params) == len(getattr(kind, "params", ())) == len(getattr(kind, "param_names", params))
    benchmark = tiny()
    try:
        if hasattr(benchmark, "setup"):
            benchmark.setup(*params)
        value = getattr(benchmark, method)(*params)
    except NotImplementedError as error:  # how asv is told to skip
        pytest.skip(str(error))
    finally:
        if hasattr(benchmark, "teardown"):
            benchmark.teardown()
    assert method.startswith("time_") or value > 0.0


def test_every_subject_has_a_benchmark() -> None:
    subjects = {param.id.split(".")[0] for param in METHODS}
    assert subjects == {path.stem for path in BENCHMARKS.glob("*.py")} - SUPPORT


def test_asv_is_told_where_everything_is() -> None:
    text = (BENCHMARKS / "asv.conf.json").read_text()
    config = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    assert (BENCHMARKS / config["repo"] / "pyproject.toml").is_file()
    assert (BENCHMARKS / config["benchmark_dir"]).resolve() == BENCHMARKS


class TestPeers:
    """The program that runs another backtester beside ours; it is not run here: it installs one."""

    def test_defaults_measure_everything(self) -> None:
        from fluxhero.benchmarks.peers import parse

        options = parse([])
        assert (options.n_bars, options.rules) == (100_000, ("sma_cross", "rich"))
        assert options.engines == ("numba", "rust")
        assert 10 in options.chunks

    def test_arguments_are_read(self) -> None:
        from fluxhero.benchmarks.peers import parse

        options = parse(["--bars", "5000", "--chunks", "4,8", "--engine", "numba", "--rule", "rich"])
        assert (options.n_bars, options.chunks, options.engines) == (5_000, (4, 8), ("numba",))

    @pytest.mark.parametrize("arguments", [["--bars", "10"], ["--trials", "0"], ["--chunks", "4,-1"]])
    def test_impossible_sizes_are_refused(
        self, arguments: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        from fluxhero.benchmarks.peers import parse

        with pytest.raises(SystemExit):
            parse(arguments)
        assert "must be at least" in capsys.readouterr().err

    def test_what_vectorbt_is_given_is_complete(self, tmp_path: Path) -> None:
        import numpy as np

        from fluxhero.benchmarks.peers import prepare

        prepare(tmp_path, n_bars=400, n_trials=10)
        with np.load(tmp_path / "bars.npz") as bars, np.load(tmp_path / "features.npz") as features:
            assert {values.shape for values in (*bars.values(), *features.values())} == {(400,)}
            assert not any(np.isnan(bars[name]).any() for name in ("open", "high", "low", "close"))
        with np.load(tmp_path / "dual_mode.npz") as trials:
            assert {values.shape for values in trials.values()} == {(10,)}

    def test_an_installation_that_fails_is_told_in_a_sentence(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        from fluxhero.benchmarks import peers

        python = peers.python_of(tmp_path)
        python.parent.mkdir()
        python.write_text("#!/bin/sh\necho 'ERROR: No matching distribution found' >&2\nexit 1\n")
        python.chmod(0o755)
        assert peers.main(["--env", str(tmp_path)]) == 1
        assert "cannot install vectorbt==1.2.*" in capsys.readouterr().err


class TestParityPeers:
    """The program that compares trades; vectorbt's side is not run here, ours is compared with itself."""

    def test_defaults_make_thousands_of_trades(self) -> None:
        from fluxhero.benchmarks.parity_peers import parse

        options = parse([])
        assert (options.n_bars, options.n_symbols, options.env.name) == (2_000, 20, ".venv-peers")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--bars", "49"], "--bars must be at least 50, was 49"),
            (["--symbols", "0"], "--symbols must be at least 1, was 0"),
            (["--seed", "-1"], "--seed must be at least 0, was -1"),
            (["--bars", "many"], "invalid int value: 'many'"),
        ],
    )
    def test_impossible_sizes_are_refused(
        self, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        from fluxhero.benchmarks.parity_peers import parse

        with pytest.raises(SystemExit):
            parse(arguments)
        assert message in capsys.readouterr().err

    def test_our_side_does_what_it_is_told(self) -> None:
        """Every case by a loop in plain Python: bars, sides, sizes, prices, fees, profits, equity."""
        import numpy as np

        from fluxhero.benchmarks.parity_peers import CASES, compare, random_prices, random_signals, trade

        open_, close = random_prices(120, 2, seed=3)
        n_cut = 0
        for case in CASES:
            signal = random_signals(case, 120, 2, seed=3)
            ours, size, cut = trade(case, open_, close, signal)
            plain = _told(case, open_, close, signal)
            assert len(plain["size"]) > 5
            assert set(np.unique(plain["side"])) == {side for side in (1, -1) if 2 - side in case.signals}
            row = compare(case.name, "a loop", ours, plain, cut)
            assert row.is_same, row
            decided = size[ours["entry_bar"] - 1, ours["symbol"]]
            assert (ours["size"] <= decided).all()
            n_cut += cut
        assert n_cut > 10

    @pytest.mark.parametrize(
        "name", ["entry_bar", "side", "size", "exit_price", "entry_fees", "pnl", "equity"]
    )
    def test_any_difference_is_seen(self, name: str) -> None:
        from fluxhero.benchmarks.parity_peers import CASES, compare, random_prices, random_signals, trade

        open_, close = random_prices(60, 1, seed=3)
        ours, _, cut = trade(CASES[5], open_, close, random_signals(CASES[5], 60, 1, seed=3))
        assert compare("", "", ours, ours, cut).is_same
        changed = ours[name].astype(float)
        changed[-1] = -changed[-1] if name == "side" else changed[-1] * (1.0 + 1e-7) + 1e-3
        assert not compare("", "", ours, {**ours, name: changed}, cut).is_same
        fewer = {key: values[:-1] for key, values in ours.items()}
        assert not compare("", "", ours, fewer, cut).is_same
        unknown = {**ours, name: changed * float("nan")}
        assert not compare("", "", ours, unknown, cut).is_same

    def test_the_table_is_shown(self, capsys: pytest.CaptureFixture[str]) -> None:
        from fluxhero.benchmarks.parity_peers import SHOWN, Row, parse, show

        equal = Row("long", "from_signals", 1_234, 1_234, 5, dict.fromkeys(SHOWN, 0.0))
        other = Row("short", "from_signals", 7, 8, 0, dict.fromkeys(SHOWN, float("nan")))
        show([equal, other], "vectorbt 1.2.0", parse([]))
        told = capsys.readouterr().out
        assert "1,234" in told
        assert "7 and 8" in told
        assert "nan" in told

    def test_an_installation_that_fails_is_told_in_a_sentence(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        from fluxhero.benchmarks import parity_peers, peers

        python = peers.python_of(tmp_path)
        python.parent.mkdir()
        python.write_text("#!/bin/sh\necho 'ERROR: No matching distribution found' >&2\nexit 1\n")
        python.chmod(0o755)
        assert parity_peers.main(["--env", str(tmp_path)]) == 1
        assert "parity: cannot install vectorbt==1.2.*" in capsys.readouterr().err


def _told(case: Any, open_: Any, close: Any, signal: Any) -> dict[str, Any]:
    """What ``told.py`` makes of a case, one market and one bar after the other."""
    import math

    import numpy as np

    from fluxhero.benchmarks.parity_peers import CASH

    costs = case.costs
    names = ("symbol", "entry_bar", "exit_bar", "side", "size", "entry_price", "exit_price")
    trades: list[dict[str, float]] = []
    equity = np.zeros(close.shape)

    def fee(size: float, price: float) -> float:
        return float(size * (costs["per_share"] + costs["rate"] * price) + costs["per_order"])

    for k in range(close.shape[1]):
        cash, held, wanted, entry = CASH, 0.0, 0.0, {}
        for t in range(close.shape[0]):
            if wanted:
                side = math.copysign(1.0, wanted)
                price = float(open_[t, k]) * (1.0 + side * costs["slippage"])
                per_unit = price * (1.0 + costs["rate"]) + costs["per_share"]
                most = math.floor((cash - costs["per_order"]) / per_unit * case.lots) / case.lots
                size = abs(held) if held else min(abs(wanted), most)
                paid = fee(size, price)
                cash -= side * size * price + paid
                if held:
                    profit = -side * size * (price - entry["entry_price"]) - paid - entry["entry_fees"]
                    trades.append(
                        {**entry, "exit_bar": t, "exit_price": price, "exit_fees": paid, "pnl": profit}
                    )
                    held = 0.0
                else:
                    held = side * size
                    entry = dict(zip(names, (k, t, 0, side, size, price, 0.0), strict=True))
                    entry["entry_fees"] = paid
            wanted = 0.0
            equity[t, k] = cash + held * close[t, k]
            told = signal[t, k]
            if held > 0.0:
                wanted = -held if told == 2.0 or (case.opposite_closes and told == 3.0) else 0.0
            elif held < 0.0:
                wanted = -held if told == 4.0 or (case.opposite_closes and told == 1.0) else 0.0
            elif told in (1.0, 3.0):
                value = cash * min(case.risk, case.share)
                wanted = (2.0 - told) * math.floor(value / close[t, k] * case.lots) / case.lots
    keys = (*names, "entry_fees", "exit_fees", "pnl")
    return {key: np.array([row[key] for row in trades]) for key in keys} | {"equity": equity}
