"""Tables about risk: the rules of a profile, what an account risks, the checks before a strategy trades."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import formats
from .tables import Cell, Column, Table

if TYPE_CHECKING:
    from ..deployment_check import DeploymentReport
    from ..risk_report import AccountRisk, RiskReport
    from ..risk_rules import RiskRule

_TONES = {"PASS": "profit", "WARN": "", "FAIL": "loss"}


def unit_text(value: float, unit: str) -> str:
    """A figure in its unit: a share in percent, a count whole, anything else as it is."""
    if unit == "share":
        return formats.percent(value)
    if unit == "count":
        return formats.count(value)
    return formats.ratio(value)


def rules_table(rules: "Sequence[RiskRule]") -> Table:
    """A profile's rules in the order in which they act."""
    columns = (
        Column("#"),
        Column("rule", False),
        Column("kind", False),
        Column("number"),
        Column("does", False),
    )
    rows = [
        [
            Cell(str(i), i),
            Cell(rule.name, rule.name),
            Cell(rule.kind, rule.kind),
            Cell(unit_text(rule.value, rule.unit), rule.value),
            Cell(rule.text, rule.text),
        ]
        for i, rule in enumerate(rules, 1)
    ]
    return Table(columns, rows)


def accounts_table(report: "RiskReport") -> Table:
    """A row per account."""
    heads = ("Equity", "Peak", "Drawdown", "Worst", "Cash", "Gross", "Net", "Open risk", "All stops hit")
    columns = (Column("Account", False), *map(Column, heads), Column("Halt", False))
    return Table(columns, [_account_row(account) for account in report.accounts])


def _account_row(account: "AccountRisk") -> list[Cell]:
    shares = (account.gross_exposure, account.net_exposure, account.open_risk_share, account.worst_case_share)
    return [
        Cell(account.name, account.name),
        Cell(formats.amount(account.equity), account.equity),
        Cell(formats.amount(account.peak_equity), account.peak_equity),
        Cell(formats.percent(account.drawdown), account.drawdown),
        Cell(formats.percent(account.worst_drawdown), account.worst_drawdown),
        Cell(formats.amount(account.cash), account.cash),
        *(Cell(formats.percent(share), share) for share in shares),
        Cell(account.halt or "none", account.halt, "loss" if account.halt else ""),
    ]


def positions_table(report: "RiskReport") -> Table:
    """A row per position."""
    heads = ("Quantity", "Price", "Value", "Of equity", "Stop", "Distance", "At risk", "Of equity")
    columns = (Column("Position", False), *map(Column, heads))
    rows = [
        [
            Cell(one.symbol, one.symbol),
            Cell(formats.quantity(one.qty), one.qty),
            Cell(formats.price(one.price), one.price),
            Cell(formats.amount(one.value), one.value),
            Cell(formats.percent(one.share), one.share),
            Cell(formats.price(one.stop), one.stop),
            Cell(formats.percent(one.stop_distance), one.stop_distance),
            Cell(formats.amount(one.risk), one.risk),
            Cell(formats.percent(one.risk_share), one.risk_share),
        ]
        for account in report.accounts
        for one in account.positions
    ]
    return Table(columns, rows)


def limits_table(report: "RiskReport") -> Table:
    """How far each account is from each limit."""
    columns = (
        Column("Account", False),
        Column("Limit", False),
        *(Column(head) for head in ("Used", "Allowed", "Left")),
        Column("By", False),
    )
    rows = [
        [
            Cell(account.name, account.name),
            Cell(limit.name, limit.name),
            Cell(unit_text(limit.used, limit.unit), limit.used, "loss" if limit.left < 0.0 else ""),
            Cell(unit_text(limit.allowed, limit.unit), limit.allowed),
            Cell(unit_text(limit.left, limit.unit), limit.left),
            Cell(limit.by, limit.by),
        ]
        for account in report.accounts
        for limit in account.limits
    ]
    return Table(columns, rows)


def correlation_table(report: "RiskReport") -> Table:
    """Correlation of session returns, a row and a column per symbol."""
    symbols = report.symbols
    columns = (Column("Correlation", False), *map(Column, symbols))
    rows = [
        [Cell(symbol, symbol), *(Cell(formats.ratio(value), value) for value in row)]
        for symbol, row in zip(symbols, report.correlations, strict=True)
    ]
    return Table(columns, rows)


def checks_table(report: "DeploymentReport") -> Table:
    """A row per check."""
    columns = (
        Column("Check", False),
        Column("Verdict", False),
        Column("Value"),
        Column("Limit"),
        Column("Why", False),
    )
    rows = [
        [
            Cell(check.name, check.name),
            Cell(check.verdict, check.verdict, _TONES[check.verdict]),
            Cell(unit_text(check.value, check.unit), check.value),
            Cell(unit_text(check.limit, check.unit), check.limit),
            Cell(check.text, check.text),
        ]
        for check in report.checks
    ]
    return Table(columns, rows)
