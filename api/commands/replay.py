"""``fluxhero replay``: a cell of a result cube once more, in full detail."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...engine.errors import ParameterError
from .assignments import read_assignments
from .backtest import TradesCsv
from .console import note, warn
from .markets import is_given, load_market, options_of
from .options import MarketOptions, OutputOptions, flat
from .outputs import check_new_file, results_folder
from .runs import publish_run
from .sweep import MARKET

if TYPE_CHECKING:
    import xarray as xr

    from ...engine.run import Run


@flat
def replay(
    result: Annotated[Path, typer.Argument(metavar="RESULT.zarr", help="A result cube of fluxhero sweep.")],
    market: MarketOptions,
    output: OutputOptions,
    cell: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME=VALUE...", help="A value of each axis; symbol=NAME for one symbol alone."
        ),
    ] = None,
    trades_csv: TradesCsv = None,
) -> None:
    """Run a cell of a result cube again, with every trade; its figures must equal the cube's to the bit.

    The bars are those of the sweep; --data says where they are, if they have moved. Ends with exit code 1
    where the figures differ, because the program has changed since.
    """
    from ...engine.backtest import replay as run_replay
    from ...engine.reports.html import write_report
    from ...store.results import read_result

    chosen = read_assignments(cell or [], "NAME=VALUE")
    symbol = chosen.pop("symbol", None)
    cube = read_result(result)
    check_new_file("--trades-csv", trades_csv)
    with results_folder(output.out, f"replay-{cube.attrs['strategy']}") as folder:
        loaded = load_market(market if is_given(market) else _same_market(cube))
        run = run_replay(cube, loaded.market, symbol=None if symbol is None else str(symbol), **chosen)
        differing = differences(cube, run, chosen)
        report = None if differing else write_report(cube, run, folder / "report.html")
    publish_run(
        run,
        report,
        output,
        trades_csv=trades_csv,
        facts={"equals_cube": not differing, "differences": differing},
    )
    if differing:
        names = ", ".join(differing)
        warn(f"the replay differs from the cube in {names}: the program has changed since the sweep")
        raise typer.Exit(1)
    note("equal to the cell of the cube, to the bit")


def _same_market(cube: "xr.Dataset") -> MarketOptions:
    """The market that the cube's sweep asked for."""
    try:
        request: Any = json.loads(cube.attrs.get(MARKET, ""))
    except ValueError:
        request = None
    if not isinstance(request, dict):
        raise ParameterError(
            f"the cube does not say where its bars are (source {cube.attrs.get('source', 'unknown')!r}); "
            "give them with --data"
        )
    return options_of(request)


def differences(cube: "xr.Dataset", run: "Run", cell: dict[str, Any]) -> list[str]:
    """Metrics whose bits differ between a replay and its cell."""
    import numpy as np

    axes = [str(dim) for dim in next(iter(cube.data_vars.values())).dims if dim != "symbol"]
    where: dict[str, Any] = {axis: cell[axis] for axis in axes if axis in cell}
    if not run.is_shared:
        where["symbol"] = run.metrics["symbol"].values
    own = cube.sel(**where).squeeze([axis for axis in axes if axis not in where], drop=True)
    return [
        str(name)
        for name in own.data_vars
        if not np.array_equal(
            np.asarray(own[name].values, dtype=np.float64).view(np.int64),
            np.asarray(run.metrics[name].values, dtype=np.float64).view(np.int64),
        )
    ]
