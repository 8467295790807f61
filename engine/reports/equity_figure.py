"""What the page draws of equity: every account and their mean, drawdowns, buy and hold beside."""

from typing import Any

import numpy as np

from ...kernels.types import FloatArray
from ..run import Run
from .curves import equity_curves


def equity_figure(run: Run) -> dict[str, Any]:
    """Equity and drawdown, the mean of the accounts first where there are several."""
    curves = equity_curves(run)
    symbols = run.accounts
    rows = zip(
        symbols, curves.accounts, curves.held, curves.account_drawdowns, curves.held_drawdowns, strict=True
    )
    views = [_view(symbol, *parts) for symbol, *parts in rows]
    if len(symbols) > 1:
        means = curves.mean, curves.mean_held, curves.mean_drawdown, curves.mean_held_drawdown
        views = [_view(f"mean of {len(symbols)} accounts", *means), *views]
    return {
        "time": (curves.time // 1_000_000).tolist(),  # milliseconds
        "views": views,
        "unit": curves.unit,
    }


def _view(
    name: str, account: FloatArray, held: FloatArray, drawdown: FloatArray, held_drawdown: FloatArray
) -> dict[str, Any]:
    return {
        "name": name,
        "account": np.round(account, 2).tolist(),
        "held": np.round(held, 2).tolist(),
        "drawdown": np.round(drawdown, 5).tolist(),
        "held_drawdown": np.round(held_drawdown, 5).tolist(),
    }
