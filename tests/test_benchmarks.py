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
SUPPORT = {"__init__", "markets", "peers", "processes", "timing"}
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
