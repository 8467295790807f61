"""Options that several commands share: which market, under which conditions, and where results go.

A group is a frozen dataclass whose fields are typer options, or groups again. A command takes the group as
one argument and `flat` spells it out for typer, so that the options read alike everywhere and are described
once.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from typer import Option

_DATA = "Data"
_FILES = "Files of bars"
_SAMPLE = "Sample market"
_CONDITIONS = "Conditions"
_OUTPUT = "Output"


class Options:
    """Base of the groups."""

    def given(self) -> dict[str, Any]:
        """The options that were given, by the field's name; flags count where they are set."""
        values = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}  # type: ignore[arg-type]
        return {name: value for name, value in values.items() if value is not None and value is not False}


@dataclass(frozen=True)
class DataOptions(Options):
    """Which bars."""

    data: Annotated[
        list[Path] | None,
        Option(
            "--data",
            help="A market.zarr, or CSV and Parquet files or a folder of them; repeatable. "
            "Without it: an invented sample market.",
            rich_help_panel=_DATA,
        ),
    ] = None
    symbols: Annotated[
        str | None, Option(metavar="A,B", help="Only these symbols.", rich_help_panel=_DATA)
    ] = None
    start: Annotated[
        str | None,
        Option(metavar="TIME", help="From this session (a date) or instant (UTC) on.", rich_help_panel=_DATA),
    ] = None
    end: Annotated[
        str | None,
        Option(metavar="TIME", help="Before this session (a date) or instant (UTC).", rich_help_panel=_DATA),
    ] = None

    def selection(self) -> dict[str, Any]:
        """What is wanted of the market, as arguments of `engine.market.select`."""
        values = {"symbols": split_names(self.symbols), "start": self.start, "stop": self.end}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class FileOptions(Options):
    """What files of bars do not say themselves; arguments of `adapters.bar_files.import_bars`."""

    symbol: Annotated[
        list[str] | None,
        Option(
            "--symbol",
            help="What to call a file's instrument; of several files, which to take ('*': all). Repeatable.",
            rich_help_panel=_FILES,
        ),
    ] = None
    timeframe: Annotated[str | None, Option(help="Length of the bars: 1m to 1d.", rich_help_panel=_FILES)] = (
        None
    )
    stamp: Annotated[
        str | None,
        Option(metavar="start|end", help="Which end of a bar its time marks.", rich_help_panel=_FILES),
    ] = None
    asset_class: Annotated[
        str | None, Option(metavar="equity|crypto", help="What the bars are of.", rich_help_panel=_FILES)
    ] = None
    session: Annotated[
        str | None,
        Option(
            metavar="regular|extended",
            help="Extended keeps bars outside New York's regular session.",
            rich_help_panel=_FILES,
        ),
    ] = None
    timezone: Annotated[
        str | None,
        Option(
            metavar="ZONE",
            help="Zone of times without one, such as America/New_York.",
            rich_help_panel=_FILES,
        ),
    ] = None


@dataclass(frozen=True)
class ImportOptions(Options):
    """What becomes of the bars of files on the way into a market."""

    drop_invalid: Annotated[
        bool,
        Option(
            "--drop-invalid", help="Exclude impossible rows instead of refusing them.", rich_help_panel=_FILES
        ),
    ] = False


@dataclass(frozen=True)
class SampleOptions(Options):
    """Size and seed of the sample market; arguments of `adapters.sample_market.sample_market`."""

    n_symbols: Annotated[int | None, Option(help="Symbols; default 8.", rich_help_panel=_SAMPLE)] = None
    sessions: Annotated[int | None, Option(help="Sessions; default 252.", rich_help_panel=_SAMPLE)] = None
    seed: Annotated[int | None, Option(help="Seed of the random bars.", rich_help_panel=_SAMPLE)] = None


@dataclass(frozen=True)
class MarketOptions:
    """Everything about the market that a command works on."""

    data: DataOptions = field(default_factory=DataOptions)
    files: FileOptions = field(default_factory=FileOptions)
    imports: ImportOptions = field(default_factory=ImportOptions)
    sample: SampleOptions = field(default_factory=SampleOptions)


@dataclass(frozen=True)
class ConditionOptions(Options):
    """Under which conditions a strategy trades."""

    decision_timeframe: Annotated[
        str | None,
        Option(
            metavar="1m|..|1d", help="The bars that the strategy decides on.", rich_help_panel=_CONDITIONS
        ),
    ] = None
    costs: Annotated[
        str | None,
        Option(
            metavar="NAME|FILE", help="us_equity, crypto, zero, or a YAML file.", rich_help_panel=_CONDITIONS
        ),
    ] = None
    risk: Annotated[
        str | None,
        Option(
            metavar="NAME|FILE",
            help="retail, platform, day_trading, reversion, none, or a YAML file.",
            rich_help_panel=_CONDITIONS,
        ),
    ] = None
    execution: Annotated[
        str | None,
        Option(
            metavar="NAME|FILE",
            help="What is assumed of fills: plain, pessimistic, optimistic, or a YAML file.",
            rich_help_panel=_CONDITIONS,
        ),
    ] = None
    account: Annotated[
        str | None,
        Option(
            metavar="own|shared",
            help="One account per symbol, or one for all of them.",
            rich_help_panel=_CONDITIONS,
        ),
    ] = None
    initial_cash: Annotated[
        float | None, Option(help="Money of each account.", rich_help_panel=_CONDITIONS)
    ] = None


@dataclass(frozen=True)
class OutputOptions(Options):
    """Where results go."""

    out: Annotated[
        Path | None,
        Option(
            metavar="FOLDER",
            help="Where to write, a new or empty folder. Default: out/<name>-<time>.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None
    open: Annotated[
        bool, Option("--open", help="Open the report in the browser.", rich_help_panel=_OUTPUT)
    ] = False
    json: Annotated[
        bool,
        Option("--json", help="Print JSON and nothing else on stdout.", rich_help_panel=_OUTPUT),
    ] = False


def flat(command: Callable[..., None]) -> Callable[..., None]:
    """Spell out the option groups among a command's parameters as options of their own."""
    own = list(inspect.signature(command).parameters.values())
    groups = {item.name: item.annotation for item in own if dataclasses.is_dataclass(item.annotation)}
    spelled: list[inspect.Parameter] = []
    for item in own:
        if item.name in groups:
            spelled += _spelled(groups[item.name])
        else:
            spelled.append(item.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @functools.wraps(command)
    def wrapper(**values: Any) -> None:
        built = {name: _built(group, values) for name, group in groups.items()}
        command(**values, **built)

    wrapper.__signature__ = inspect.Signature(spelled)  # type: ignore[attr-defined]
    return wrapper


def _spelled(group: Any) -> list[inspect.Parameter]:
    parameters: list[inspect.Parameter] = []
    for item in dataclasses.fields(group):
        if dataclasses.is_dataclass(item.type):
            parameters += _spelled(item.type)
        else:
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.append(inspect.Parameter(item.name, kind, default=item.default, annotation=item.type))
    return parameters


def _built(group: Any, values: dict[str, Any]) -> Any:
    """The group, its values taken out of `values`."""
    return group(
        **{
            item.name: _built(item.type, values)
            if dataclasses.is_dataclass(item.type)
            else values.pop(item.name)
            for item in dataclasses.fields(group)
        }
    )


def split_names(text: str | None) -> list[str] | None:
    """Names between commas; None where nothing was given."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]
