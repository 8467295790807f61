"""What trading costs, what is assumed of fills, what may be risked: the fields of the engine's settings."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Costs:
    """What trading costs."""

    commission_per_share: float = 0.0
    commission_per_order: float = 0.0
    commission_rate: float = 0.0
    slippage: float = 0.0
    impact: float = 0.0
    impact_participation: float = 0.1
    borrow_rate: float = 0.0
    impact_model: str = "step"  # step, square_root


@dataclass(frozen=True)
class Execution:
    """What is assumed of fills where bars do not tell."""

    timing: str = "open"  # open, close
    intrabar: str = "stop_first"  # stop_first, target_first, path
    limit_fill: str = "through"  # through, touch
    limit_gap: str = "open"  # open, limit
    participation: float | None = None
    delay_bars: int = 0
    missed_fills: float = 0.0
    seed: int = 0
    cost_multiple: float = 1.0
    tick_rounding: bool = False
    tick_size: float = 0.01  # the symbol's, not a setting of the engine


@dataclass(frozen=True)
class Risk:
    """What may be risked, and what idle money earns; None: no such limit."""

    max_position: float = 0.2
    max_deployed: float = 0.5
    cash_rate: float = 0.0
    risk_free_rate: float = 0.0
    sizing: str = "stop"  # stop, fraction, equal, volatility, kelly
    fraction: float = 0.1
    target_volatility: float = 0.15
    kelly_share: float = 0.5
    stop_atr: float | None = None
    max_stop: float | None = None
    max_trades: int | None = None
    max_crypto: float | None = None
    max_sector: float | None = None
    max_positions: int | None = None
    max_open_risk: float | None = None
    drawdown_reduce: float | None = None
    drawdown_size: float = 0.5
    drawdown_stop: float = 0.8
    drawdown_halt: float | None = None
    halt_sessions: int | None = None
    daily_loss: float | None = None
