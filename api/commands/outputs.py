"""Where results go: a folder per run, never an old one, and an entry in the experiments database."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ...engine.errors import FluxHeroError, StoreError
from .console import note, shown_path, warn

OUT = Path("out")
EXPERIMENTS = OUT / "experiments.db"


def choose_folder(out: Path | None, name: str) -> Path:
    """The folder of a run's results; it is made when the first one is written.

    Raises
    ------
    StoreError
        If `out` is a file, or a folder that holds something.
    """
    if out is not None:
        folder = out.expanduser()
        if folder.exists() and not folder.is_dir():
            raise StoreError(f"`--out` was '{out}', which is a file; name a new or empty folder")
        if folder.is_dir() and any(folder.iterdir()):
            raise StoreError(f"`--out` was '{out}', which is not empty; name a new or empty folder")
        return folder
    # The person's own clock: the name is for finding a run again.
    stem = f"{name}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    folder, n = OUT / stem, 1
    while folder.exists():
        n += 1
        folder = OUT / f"{stem}-{n}"
    return folder


def record(
    name: str,
    kind: Any,
    *,
    config: Mapping[str, Any],
    attrs: Mapping[str, Any],
    metrics: Mapping[str, float],
    cube_path: Path | str = "",
) -> int | None:
    """Enter a run into the experiments database; the results stand without it, so a failure only warns.

    Returns
    -------
    int or None
        Number of the experiment.
    """
    from ... import __version__
    from ...store.experiments import Experiments

    try:
        with Experiments(EXPERIMENTS) as experiments:
            return experiments.record_experiment(
                name,
                kind,
                strategy=str(attrs["strategy"]),
                config=config,
                code_version=__version__,
                data_hash=str(attrs["data_hash"]),
                metrics=metrics,
                cube_path=str(Path(cube_path).resolve()) if cube_path else "",
            )
    except (FluxHeroError, OSError) as error:
        warn(f"not entered into the experiments database: {error}")
        return None


def write_text(path: Path, text: str) -> None:
    """Write a new text file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def open_in_browser(report: Path) -> None:
    """Show a report to the person."""
    import webbrowser

    if not webbrowser.open(report.resolve().as_uri()):
        note(f"no browser could be opened; the report is {shown_path(report)}")
