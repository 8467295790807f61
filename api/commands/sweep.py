"""``fluxhero sweep``: a grid of parameters over a market."""

import json
import shlex
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .assignments import read_axes, read_settings
from .configuration import DEFAULT, costs_profile, fitting_timeframe, sweep_config
from .console import note, say, say_json, shown_path, stdout_console
from .markets import LoadedMarket, load_market
from .options import ConditionOptions, MarketOptions, OutputOptions, flat, split_names
from .outputs import EXPERIMENTS, open_in_browser, record, results_folder, write_text
from .progress import Pace, shown_progress

if TYPE_CHECKING:
    import xarray as xr

    from ...engine.config import SweepConfig
    from ...engine.reports.ranking import RankedTrial

MARKET = "market"  # attribute of a result: how to get the same bars again


@flat
def sweep(
    market: MarketOptions,
    conditions: ConditionOptions,
    output: OutputOptions,
    config: Annotated[
        str | None,
        typer.Argument(
            metavar="[CONFIG]", help="A shipped configuration or a YAML file.", show_default=DEFAULT
        ),
    ] = None,
    strategy: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="A strategy of ours, or the path of a file.")
    ] = None,
    grid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUES",
            help="An axis, name=v1,v2 or name=start:stop:num; repeatable. Replaces the configuration's grid.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Refine any setting, such as costs.slippage=0.0002 or params.rsi_low=25; repeatable.",
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads; default one per processor. Changes no digit.")
    ] = None,
    rank_by: Annotated[
        str | None, typer.Option(metavar="METRIC", help="What the best trial has most of.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Trials in the table.")] = 10,
    axes: Annotated[
        str | None, typer.Option(metavar="A,B", help="The two axes that the heat map starts with.")
    ] = None,
) -> None:
    """Run every combination of a grid of parameters over a market, and report on all of them.

    Without arguments: 1,080 trials of the dual-mode strategy over a year of invented minute bars.
    """
    refined = read_settings(settings or [], "--set")
    chosen = {"strategy": strategy, "rank_by": rank_by, "heat_map_axes": split_names(axes)}
    own = conditions.given() | {name: value for name, value in chosen.items() if value is not None}
    read = partial(sweep_config, config, own=own, grid=read_axes(grid or [], "--grid"), settings=refined)
    asked = read(default_costs="us_equity")
    name = Path(config or strategy or DEFAULT).stem
    _check_trials(asked)

    with results_folder(output.out, name) as folder:
        loaded = load_market(market)
        before, profile = asked.costs, costs_profile(loaded.market)
        asked = read(default_costs=profile)
        if asked.costs != before:
            note(f"costs are those of {profile} (--costs chooses others)")
        timeframe = fitting_timeframe(
            asked.decision_timeframe,
            loaded.market,
            is_explicit="decision_timeframe" in {*own, *refined},
        )
        pace = Pace()
        cube = _run(asked, loaded, pace, n_threads=threads, decision_timeframe=timeframe)
        done = _Finished(name, folder, cube, asked, pace)
        ranked, experiment = done.write(loaded, top)
    if output.json:
        say_json({"experiment": experiment, **done.facts(ranked)})
    else:
        done.tell(ranked, experiment)
    if output.open:
        open_in_browser(done.report)


def _check_trials(config: "SweepConfig") -> None:
    """Refuse axes and parameters that the strategy does not have, before any bars are read."""
    from ...engine.cube import grid_cube
    from ...engine.strategy import load_strategy

    strategy = load_strategy(config.strategy)
    strategy.check_params(config.params)
    grid_cube(strategy, config.axes())


def _run(config: "SweepConfig", loaded: LoadedMarket, pace: Pace, **fitted: Any) -> "xr.Dataset":
    """The result cube of all trials."""
    from ...engine.sweep import sweep as run_sweep

    with shown_progress("sweep", pace) as progress:
        cube = run_sweep(
            config.strategy,
            loaded.market,
            grid=config.axes(),
            params=config.params,
            costs=config.costs,
            execution=config.execution,
            risk=config.risk,
            account=config.account,
            initial_cash=config.initial_cash,
            delay_s=config.delay_s,
            progress=progress,
            **fitted,
        )
    cube.attrs[MARKET] = json.dumps(loaded.request)
    return cube


@dataclass(frozen=True)
class _Finished:
    """A sweep that has ended, and where it goes."""

    name: str
    folder: Path
    cube: "xr.Dataset"
    config: "SweepConfig"
    pace: Pace

    @property
    def result(self) -> Path:
        """The cube on disk."""
        return self.folder / "result.zarr"

    @property
    def report(self) -> Path:
        """The page to read."""
        return self.folder / "report.html"

    def write(self, loaded: LoadedMarket, top: int) -> "tuple[list[RankedTrial], int | None]":
        """Keep cube, settings, report and experiment; return the best trials and the experiment's number."""
        from ...engine.backtest import replay
        from ...engine.config import to_json
        from ...engine.reports.html import write_report
        from ...engine.reports.ranking import rank_trials
        from ...store.results import write_result

        rank_by, settings = self.config.rank_by, json.loads(to_json(self.config))
        ranked = rank_trials(self.cube, rank_by, top)
        write_result(self.cube, self.result)
        write_text(self.folder / "sweep.yaml", _as_yaml(settings))
        run = replay(self.cube, loaded.market, **ranked[0].cell)
        write_report(self.cube, run, self.report, rank_by=rank_by, heat_map_axes=self.config.heat_map_axes)
        experiment = record(
            self.name,
            "sweep",
            config=settings,
            attrs=self.cube.attrs,
            metrics=_figures(ranked[0]),
            cube_path=self.result,
        )
        return ranked, experiment

    def facts(self, ranked: "list[RankedTrial]") -> dict[str, Any]:
        """The result for a program."""
        from ...engine.reports.ranking import traded_symbols

        attrs = self.cube.attrs
        return {
            "name": self.name,
            "strategy": attrs["strategy"],
            "decision_timeframe": attrs["decision_timeframe"],
            "result": self.result.resolve(),
            "report": self.report.resolve(),
            "n_trials": attrs["n_trials"],
            "symbols": traded_symbols(self.cube),
            "n_bars": attrs["n_bars"],
            "elapsed_s": self.pace.elapsed_s,
            "bar_trials_per_s": self.pace.rate,
            "rank_by": self.config.rank_by,
            "ranked": [asdict(trial) for trial in ranked],
            "replay": replay_command(self.result, ranked[0].cell),
        }

    def tell(self, ranked: "list[RankedTrial]", experiment: int | None) -> None:
        """The result for a person."""
        from ...engine.reports.formats import plural
        from ...engine.reports.ranking import traded_symbols
        from ...engine.reports.terminal import ranked_table

        attrs, n_symbols = self.cube.attrs, len(traded_symbols(self.cube))
        stdout_console().print(ranked_table(self.cube, self.config.rank_by, len(ranked)))
        say()
        size = " x ".join(
            [plural(attrs["n_trials"], "trial"), plural(n_symbols, "symbol"), plural(attrs["n_bars"], "bar")]
        )
        say(f"{size} {self.pace.summary()}")
        say(f"Report:          {shown_path(self.report)}")
        say(f"Result cube:     {shown_path(self.result)}")
        if experiment is not None:
            say(f"Experiment:      {experiment} in {EXPERIMENTS}")
        say(f"Replay the best: {replay_command(self.result, ranked[0].cell)}")


def _figures(best: "RankedTrial") -> dict[str, float]:
    """Figures of the best trial, for the experiments database."""
    names = ("sharpe_ratio", "total_return", "max_drawdown", "n_trades", "share_profitable")
    return {name: getattr(best, name) for name in names}


def _as_yaml(settings: dict[str, Any]) -> str:
    """Settings as a file that ``fluxhero sweep`` takes again."""
    import yaml

    given = {name: value for name, value in settings.items() if value is not None}
    return str(yaml.safe_dump(given, sort_keys=False, allow_unicode=True))


def replay_command(result: Path, cell: dict[str, Any]) -> str:
    """The command that replays a cell of a result."""
    values = [shlex.quote(f"{name}={_exact(value)}") for name, value in cell.items()]
    return " ".join(["fluxhero replay", shlex.quote(shown_path(result)), *values])


def _exact(value: Any) -> str:
    """A value in as few characters as find it again."""
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)
