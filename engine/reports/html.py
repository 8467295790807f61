"""The report of a sweep: one HTML file to read, to send and to keep.

What was run, what its best trial was worth, what that stands out from, and then the trial itself: equity,
candles with every entry and exit, trades, refusals. Figures of the trial come from its replay, whose
metrics must equal a trial of the cube: a report never shows one run under the heading of another.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from ..errors import ParameterError
from ..run import Run
from . import sections
from .candle_figure import candle_figure
from .cube_figure import cube_figure, score_histogram
from .equity_figure import equity_figure
from .facts import title_words
from .page import html_page
from .ranking import (
    Spread,
    best_first,
    cube_symbols,
    metric_table,
    rank_trials,
    trial_params,
    trial_scores,
    trial_spread,
)
from .wording import spread_sentence

TOP_TRIALS = 15
_SAME = 1e-9  # a cube from another machine may differ from its replay in the last bits


def write_report(
    cube: xr.Dataset,
    run: Run,
    path: str | Path,
    *,
    heat_map_axes: Sequence[str] | None = None,
    rank_by: str = "sharpe_ratio",
) -> Path:
    """Write the report of a sweep as one HTML file that needs no network.

    Parameters
    ----------
    cube : Dataset
        What `sweep` returned: a grid of any number of axes, or listed trials.
    run : Run
        The replay of one of its trials, normally of the best (`rank_trials(cube)[0].cell`).
    path : str or Path
        Where to; an existing file is replaced at once, never half. Missing folders are made.
    heat_map_axes : pair of str, optional
        Axes that the heat map starts with, (across, up); default the two longest.
    rank_by : str
        The metric that makes a trial the best.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ParameterError
        If the cube lacks the metric or an axis, or if `run` is none of its trials.
    """
    best = int(best_first(trial_scores(cube, rank_by), rank_by)[0])
    shown = trial_of_run(cube, run, prefer=best)
    spread = trial_spread(cube, rank_by)
    data = {
        "cube": cube_figure(cube, rank_by, best=best, shown=shown, heat_map_axes=heat_map_axes),
        "scores": score_histogram(cube, rank_by) | spread._asdict(),
        "equity": equity_figure(run),
        "candles": candle_figure(run),
    }
    title = _title(spread, is_best=shown == best)
    parts = [
        sections.what_was_run(cube, run),
        sections.figures(title, run, trial_params(cube, shown)),
        sections.trials(
            spread_sentence(spread, rank_by),
            rank_trials(cube, rank_by, TOP_TRIALS),
            rank_by,
            len(cube_symbols(cube)),
            drawn=bool(data["scores"]["counts"]),
        ),
        sections.cube_section(data["cube"]),
        *sections.run_sections(title, run, data),
        sections.footer(cube),
    ]
    page = html_page(f"FluxHero: {title_words(cube, run)}", sections.header(cube, run), parts, data)
    return _replace(Path(path), page)


def trial_of_run(cube: xr.Dataset, run: Run, *, prefer: int) -> int:
    """Position in the cube of the trial that a run replayed; `prefer` where several gave the same.

    Raises
    ------
    ParameterError
        If no trial of the cube has the run's metrics.
    """
    known = cube_symbols(cube)
    symbols = known if run.is_shared else [str(name) for name in run.market["symbol"].values]
    foreign = [name for name in symbols if name not in known]
    if foreign:
        raise ParameterError(f"`run` is of {foreign[0]!r}, which the cube lacks; it has {', '.join(known)}")
    rows = [known.index(name) for name in symbols]
    same = np.ones(metric_table(cube, "final_equity").shape[1], dtype=np.bool_)
    for name in ("final_equity", "max_drawdown", "n_trades", "costs_paid"):
        own = np.asarray(run.account_metrics[name].values, dtype=np.float64)[:, None]
        same &= np.isclose(metric_table(cube, name)[rows], own, rtol=_SAME, equal_nan=True).all(axis=0)
    if not same.any():
        raise ParameterError(
            "`run` is none of the cube's trials (its equity and trades differ from all of them); "
            "make it with replay(cube, market, ...)"
        )
    return prefer if same[prefer] else int(same.argmax())


def _title(spread: Spread, *, is_best: bool) -> str:
    """What the trial that is shown may be called."""
    if spread.n_trials == 1:
        return "The trial"
    return "Best trial" if is_best and spread.n_defined else "Chosen trial"


def _replace(target: Path, text: str) -> Path:
    """Write beside the target, then put it in its place: a reader never meets half a page."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        return beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
