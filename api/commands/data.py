"""``fluxhero data``: files of bars into a market, and what is wrong with them."""

from pathlib import Path
from typing import Annotated

import typer

from ...engine.errors import StoreError
from .console import note, say, say_json, shown_path
from .options import FileOptions, ImportOptions, flat

app = typer.Typer(no_args_is_help=True, help="Import files of bars, or say what is wrong with them.")

Paths = Annotated[
    list[Path], typer.Argument(metavar="PATHS", help="CSV or Parquet files, or a folder of them.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")]


@flat
def import_(
    paths: Paths,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="The market to write: market.zarr.")],
    files: FileOptions,
    imports: ImportOptions,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing market.")] = False,
    json: Json = False,
) -> None:
    """Read files of bars, check them, and write them as one market.

    Impossible rows refuse the import and are all named; --drop-invalid leaves them out instead.
    """
    from ...adapters.bar_files import import_bars
    from ...store.market import write_market

    target = out.expanduser()
    if target.exists() and not overwrite:
        raise StoreError(f"{out} exists; choose another name, or replace it with --overwrite")
    result = import_bars(paths, **files.given(), **imports.given())
    write_market(result.market, target, overwrite=overwrite)
    written = f"Written to {shown_path(out)}; use it with --data {shown_path(out)}"
    if json:
        note(written)
        say_json({**result.report.to_dict(), "market": target.resolve()})
    else:
        say(result.report.text())
        say(written)


@flat
def validate(paths: Paths, files: FileOptions, json: Json = False) -> None:
    """Say what is wrong with files of bars: gaps, impossible rows, splits, outliers.

    Ends with exit code 1 where rows are impossible.
    """
    from ...adapters.bar_files import validate_bars

    report = validate_bars(paths, **files.given())
    if json:
        say_json(report.to_dict())
    else:
        say(report.text())
    if report.has_impossible:
        raise typer.Exit(1)


app.command("import")(import_)
app.command("validate")(validate)
