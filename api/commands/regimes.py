"""``fluxhero regimes``: how the regimes class the past of a symbol, by year and on a page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...engine.errors import ParameterError
from .console import note, say, say_json, shown_path, stdout_console
from .markets import load_market
from .options import MarketOptions, flat
from .outputs import check_new_file, write_text

if TYPE_CHECKING:
    import pandas as pd


@flat
def regimes(
    market: MarketOptions,
    years: Annotated[
        list[int] | None, typer.Option("--year", help="Only these years; repeatable. Default: all.")
    ] = None,
    on: Annotated[str, typer.Option("--on", metavar="TIMEFRAME", help="Bars that are classed.")] = "1d",
    page: Annotated[
        Path | None, typer.Option("--page", metavar="FILE", help="Write charts and the table as HTML.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")] = False,
) -> None:
    """Class every bar of a symbol by trend, volatility and market regime; print shares by year.

    Example: fluxhero regimes --data SPY.csv --symbol SPY --year 2008 --year 2017 --page regimes.html
    """
    from ...engine.regime_history import regime_history, shares_by_year
    from ...engine.reports.regime_page import regime_page

    loaded = load_market(market).market
    symbols = [str(symbol) for symbol in loaded["symbol"].values]
    if len(symbols) != 1:
        raise ParameterError(
            f"regimes are those of one symbol; choose with --symbols among {', '.join(symbols)}"
        )
    history = regime_history(loaded, symbols[0], on)
    shares = shares_by_year(history)
    if years:
        if missing := sorted(set(years) - set(shares.index)):
            raise ParameterError(
                f"`--year` was {missing[0]}; {symbols[0]} has bars of {shares.index[0]} to {shares.index[-1]}"
            )
        shares = shares.loc[sorted(set(years))]
    if page is not None:
        check_new_file("--page", page)
        write_text(page.expanduser(), regime_page(history, symbols[0], str(loaded.attrs.get("source", ""))))
        note(f"charts: {shown_path(page)}")
    if json:
        say_json(_as_dict(shares, symbols[0]))
        return
    _show(shares, symbols[0])


def _as_dict(shares: "pd.DataFrame", symbol: str) -> dict[str, object]:
    rows = {}
    for year, row in shares.iterrows():
        one: dict[str, object] = {"bars": int(row["", "bars"]), "return": row["", "return"]}
        for scheme, word in shares.columns:
            if scheme:
                inner = one.setdefault(scheme, {})
                assert isinstance(inner, dict)
                inner[word] = row[scheme, word]
        rows[str(year)] = one
    return {"symbol": symbol, "years": rows}


def _show(shares: "pd.DataFrame", symbol: str) -> None:
    from rich.table import Table

    from ...engine.regime_history import SCHEMES
    from ...engine.reports import formats

    say(f"Regimes of {symbol}: share of bars")
    say()
    for name, scheme in SCHEMES.items():
        table = Table(title=scheme.title, title_justify="left", box=None, pad_edge=False)
        for head in ("year", "bars", "return", *scheme.words.values()):
            table.add_column(head, justify="right")
        for year, row in shares.iterrows():
            cells = [formats.percent(row[name, word], digits=0) for word in scheme.words.values()]
            whole_year = [f"{row['', 'bars']:.0f}", formats.percent(row["", "return"], sign=True, digits=1)]
            table.add_row(str(year), *whole_year, *cells)
        stdout_console().print(table)
        say()
