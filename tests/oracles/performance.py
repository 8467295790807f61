"""Figures of a finished run from its session returns and its trades, in plain Python."""

import math
from collections.abc import Sequence

NO_DEVIATION = 1e-12  # session returns that differ by less differ by the rounding of the equity only


def performance(
    returns: Sequence[float], pnls: Sequence[float], *, sessions_per_year: int, risk_free_rate: float
) -> dict[str, float]:
    """Ratios and counts; NaN where one is undefined. `risk_free_rate` is per session."""
    won = [pnl for pnl in pnls if pnl > 0.0]
    lost = [pnl for pnl in pnls if pnl < 0.0]
    return {
        "sharpe_ratio": _sharpe_ratio(returns, risk_free_rate, sessions_per_year),
        "sharpe_ratio_rf0": _sharpe_ratio(returns, 0.0, sessions_per_year),
        "sortino_ratio": _sortino_ratio(returns, risk_free_rate, sessions_per_year),
        "n_trades": len(pnls),
        "win_rate": len(won) / len(pnls) if pnls else math.nan,
        "profit_factor": math.fsum(won) / -math.fsum(lost) if lost else math.nan,
    }


def _sharpe_ratio(returns: Sequence[float], risk_free_rate: float, sessions_per_year: int) -> float:
    if len(returns) < 2:
        return math.nan
    mean = math.fsum(returns) / len(returns)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in returns) / (len(returns) - 1))
    if deviation <= NO_DEVIATION:
        return math.nan
    return (mean - risk_free_rate) / deviation * math.sqrt(sessions_per_year)


def _sortino_ratio(returns: Sequence[float], risk_free_rate: float, sessions_per_year: int) -> float:
    if len(returns) < 2:
        return math.nan
    excess = [value - risk_free_rate for value in returns]
    downside = math.sqrt(math.fsum(min(value, 0.0) ** 2 for value in excess) / len(excess))
    if downside <= NO_DEVIATION:
        return math.nan
    return math.fsum(excess) / len(excess) / downside * math.sqrt(sessions_per_year)
