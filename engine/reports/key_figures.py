"""The figures that say at a glance what a run was worth, graded where we have set a goal."""

import json
from typing import NamedTuple

import numpy as np

from ..run import Run
from . import formats
from .curves import held_beside


class Goal(NamedTuple):
    """What a figure should reach, and what would be ideal."""

    minimum: float
    ideal: float
    less_is_better: bool = False

    def grade(self, value: float) -> str:
        """ "ideal", "fair" (the minimum is met), "poor", or nothing for NaN."""
        if np.isnan(value):
            return ""
        sign = -1.0 if self.less_is_better else 1.0
        if sign * value >= sign * self.ideal:
            return "ideal"
        return "fair" if sign * value >= sign * self.minimum else "poor"


class KeyFigure(NamedTuple):
    """One tile: what it is, its value in words, how it is judged and what to see it against."""

    label: str
    text: str
    note: str
    grade: str = ""  # "ideal", "fair", "poor" or "" where there is no goal
    goal: str = ""  # the goal in words
    tone: str = ""  # "profit" or "loss" where the sign says so


# SPEC 8: minimum and ideal.
SHARPE_GOAL = Goal(0.8, 1.5)
DRAWDOWN_GOAL = Goal(0.25, 0.15, less_is_better=True)
WIN_RATE_GOAL = Goal(0.45, 0.55)
WIN_LOSS_GOAL = Goal(1.5, 2.0)


def key_figures(run: Run) -> list[KeyFigure]:
    """Tiles of a run, all its symbols together."""
    return [*_account_figures(run), *_trade_figures(run)]


def win_loss_ratio(pnl_fraction: np.ndarray) -> float:
    """Mean win over mean loss, in percent of what was paid; NaN without a win or without a loss."""
    wins, losses = pnl_fraction[pnl_fraction > 0.0], pnl_fraction[pnl_fraction < 0.0]
    return float(wins.mean() / -losses.mean()) if wins.size and losses.size else float("nan")


def profit_factor(pnl: np.ndarray) -> float:
    """Gross profit over gross loss; NaN without a loss."""
    lost = -pnl[pnl < 0.0].sum()
    return float(pnl[pnl > 0.0].sum() / lost) if lost > 0.0 else float("nan")


def _account_figures(run: Run) -> list[KeyFigure]:
    n = len(run.accounts)
    of_all = n > 1
    metrics = run.account_metrics
    sharpe = metrics["sharpe_ratio"].values
    known = sharpe[~np.isnan(sharpe)]
    median = float(np.median(known)) if known.size else float("nan")
    total = float(metrics["total_return"].values.mean())
    held = float(held_beside(run)[:, -1].mean() / run.initial_cash - 1.0)
    drawdown = float(metrics["max_drawdown"].values.min())
    exposure = float(metrics["exposure"].values.mean())
    costs = float(metrics["costs_paid"].values.sum())
    return [
        KeyFigure(
            "Sharpe ratio",
            formats.ratio(median),
            f"median of {formats.plural(n, 'symbol')}" if of_all else "against the risk-free rate",
            SHARPE_GOAL.grade(median),
            "minimum 0.8 · ideal 1.5",
        ),
        KeyFigure(
            "Total return",
            formats.percent(total, sign=True),
            f"{'mean of the accounts; ' if of_all else ''}buy and hold {formats.percent(held, sign=True)}"
            f"{_cash_words(run)}",
            tone=_tone(total),
        ),
        KeyFigure(
            "Max drawdown",
            formats.percent(drawdown),
            "of the worst account" if of_all else "from the highest equity",
            DRAWDOWN_GOAL.grade(-drawdown) if len(run.trades) else "",
            "minimum 25% · ideal 15%",
        ),
        KeyFigure(
            "Time in the market",
            formats.percent(exposure, digits=0),
            "mean of the accounts" if of_all else "of all bars",
        ),
        KeyFigure(
            "Costs paid",
            formats.amount(costs),
            f"{formats.percent(costs / (run.initial_cash * n))} of the starting cash",
        ),
    ]


def cash_return(run: Run) -> float:
    """What the starting cash would have earned untouched, as a fraction; 0 where no interest is recorded."""
    rate = float(json.loads(run.attrs.get("risk") or "{}").get("cash_rate", 0.0))
    n_sessions = np.unique(run.market["session"].values).size
    return float((1.0 + rate) ** (n_sessions / run.market.attrs["sessions_per_year"]) - 1.0)


def _cash_words(run: Run) -> str:
    earned = cash_return(run)
    return f", idle cash {formats.percent(earned, sign=True)}" if earned else ""


def _trade_figures(run: Run) -> list[KeyFigure]:
    trades = run.trades
    pnl = trades["pnl"].to_numpy(dtype=np.float64)
    fraction = trades["pnl_fraction"].to_numpy(dtype=np.float64)
    win_rate = float((pnl > 0.0).mean()) if pnl.size else float("nan")
    ratio = win_loss_ratio(fraction)
    mean = float(fraction.mean()) if pnl.size else float("nan")
    time = run.market["time"].values
    months = max(float((time[-1] - time[0]) / np.timedelta64(1, "D")) / 30.4375, 1e-9)
    return [
        KeyFigure(
            "Win rate",
            formats.percent(win_rate, digits=1),
            f"of {formats.plural(pnl.size, 'trade')}",
            WIN_RATE_GOAL.grade(win_rate),
            "minimum 45% · ideal 55%",
        ),
        KeyFigure(
            "Win / loss",
            formats.ratio(ratio),
            "mean win over mean loss",
            WIN_LOSS_GOAL.grade(ratio),
            "minimum 1.5 · ideal 2.0",
        ),
        KeyFigure("Profit factor", formats.ratio(profit_factor(pnl)), "gross profit over gross loss"),
        KeyFigure(
            "Profit per trade",
            formats.percent(mean, sign=True),
            "mean, of what was paid, net of costs",
            tone=_tone(mean),
        ),
        KeyFigure(
            "Trades",
            formats.count(pnl.size),
            f"{pnl.size / months:.1f} a month" if months >= 1.0 else "closed",
        ),
    ]


def _tone(value: float) -> str:
    return "profit" if value > 0.0 else "loss" if value < 0.0 else ""
