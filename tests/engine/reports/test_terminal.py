import io

import pytest
from rich.console import Console

from fluxhero.engine.reports import ranked_table, symbol_table
from fluxhero.engine.reports.tables import (
    Cell,
    Column,
    Table,
    html_table,
    modes_table,
    months_table,
    refusals_table,
    trades_table,
)


def printed(table, width=140):
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False).print(table)
    return out.getvalue()


def test_the_ranking_says_how_many_trials_were_looked_at(swept):
    cube, _ = swept
    text = printed(ranked_table(cube, top=3))
    assert "24 trials looked at." in text
    assert "90th percentile" in text
    assert "median of 2 symbols" in text
    for head in (
        "lookback",
        "stop",
        "costs.slippage",
        "Sharpe ratio",
        "Total return",
        "Max drawdown",
        "Trades",
    ):
        assert head in text


def test_another_metric_has_a_column_of_its_own(swept):
    cube, _ = swept
    assert "Win rate" in printed(ranked_table(cube, "win_rate"))


@pytest.mark.parametrize("width", [80, 100, 140])
def test_figures_are_never_cut(swept, width):
    cube, run = swept
    text = printed(ranked_table(cube), width) + printed(symbol_table(run), width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width


def test_brackets_in_names_are_not_markup(make_cube):
    cube = make_cube({}, ["[red]A[/red]"], a=[1, 2])
    cube.attrs["strategy"] = "[bold]mine"
    text = printed(ranked_table(cube))
    assert "[bold]mine" in text
    assert "[red]A[/red]" in text


def test_symbols_stand_beside_buy_and_hold(swept):
    _, run = swept
    text = printed(symbol_table(run))
    assert "BRVO" in text
    assert "Buy and hold" in text
    assert "lookback" in text


def test_cells_are_escaped():
    table = Table([Column("<i>", is_number=False)], [[Cell("<script>", "'\"<>")]], ['"><b>'])
    html = html_table(table)
    assert "<script>" not in html
    assert "<i>" not in html
    assert "<b>" not in html
    assert 'data-key="&#x27;&quot;&lt;&gt;"' in html


def test_modes_add_up_to_all_trades(swept):
    _, run = swept
    table = modes_table(run)
    assert sum(row[1].key for row in table.rows) == len(run.trades)
    assert sum(row[4].key for row in table.rows) == pytest.approx(run.trades["pnl"].sum())


def test_refusals_are_counted_by_gate(swept):
    _, run = swept
    rows = {row[0].text: row[1].key for row in refusals_table(run).rows}
    assert rows == run.refusals().to_dict()


def test_the_latest_trades_come_first(swept):
    _, run = swept
    table = trades_table(run, latest=3)
    exits = [row[2].key for row in table.rows]
    assert exits == sorted(exits, reverse=True)
    assert len(table.rows) == len(table.marks) == 3
    assert table.rows[0][2].text == str(run.trades["exit_time"].max())[:16]


def test_tables_of_nothing_are_empty(without_trades):
    _, run = without_trades
    assert list(trades_table(run).rows) == list(modes_table(run).rows) == []


def test_months_fill_a_grid():
    table = months_table([(2023, 12, 0.1), (2024, 1, -0.5)])
    assert [row[0].text for row in table.rows] == ["2023", "2024"]
    assert table.rows[0][12].text == table.rows[0][13].text == "+10.00%"
    assert table.rows[1][1].tone == "loss"
    assert table.rows[1][2].text == ""
