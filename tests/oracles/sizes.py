"""How many units an entry buys: the table of sizes and the limits, in plain Python."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fluxhero.tests.oracles.trading_settings import Risk

VOLATILITY_SESSIONS = 20
KELLY_TRADES = 20


@dataclass(frozen=True)
class Wish:
    """An entry that asks for its size; everything from the close of the decision's bar."""

    price: float
    distance: float  # of the stop, NaN: none
    risk: float
    volatility: float  # annual, of the symbol; NaN: not known
    asset_class: str
    sector: str
    symbol: str = ""


@dataclass(frozen=True)
class Holding:
    """A position, or an entry that is still to be filled, as it takes up room."""

    symbol: str
    value: float
    risk: float  # lost if its stop were hit
    asset_class: str
    sector: str
    is_pending: bool


@dataclass(frozen=True)
class Funds:
    """The account at the moment of sizing."""

    equity: float
    cash: float
    pnls: Sequence[float]  # of its finished trades
    holdings: Sequence[Holding]
    is_in_drawdown: bool


def sizing_of(risk: Risk, pnls: Sequence[float]) -> str:
    """The sizing in force: Kelly's needs a record, and until there is one the stop decides."""
    has_record = len(pnls) >= KELLY_TRADES and any(pnl < 0.0 for pnl in pnls)
    return "stop" if risk.sizing == "kelly" and not has_record else risk.sizing


def size_entry(wish: Wish, funds: Funds, risk: Risk, lots_per_unit: float) -> tuple[float, str]:
    """Quantity in whole lots, or 0 and the limit that left nothing."""
    wanted = _wanted(wish, funds, risk)
    if math.isnan(wanted):
        return 0.0, "no volatility"
    if funds.is_in_drawdown:
        wanted *= risk.drawdown_size
    wanted = min(wanted, funds.equity * risk.max_position / wish.price)
    if _lots(wanted, lots_per_unit) <= 0:
        return 0.0, "no size"
    for outcome, cap in _caps(wish, funds, risk):
        wanted = min(wanted, cap)
        if _lots(wanted, lots_per_unit) <= 0:
            return 0.0, outcome
    return _lots(wanted, lots_per_unit) / lots_per_unit, "accepted"


def annual_volatility(closes: Sequence[float], sessions_per_year: int) -> float:
    """From closes of sessions; NaN where there are too few, or they never moved."""
    if len(closes) <= VOLATILITY_SESSIONS:
        return math.nan
    last = closes[-VOLATILITY_SESSIONS - 1 :]
    returns = [math.log(last[i + 1] / last[i]) for i in range(VOLATILITY_SESSIONS)]
    mean = math.fsum(returns) / len(returns)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in returns) / (len(returns) - 1))
    return deviation * math.sqrt(sessions_per_year) if deviation > 0.0 else math.nan


def _wanted(wish: Wish, funds: Funds, risk: Risk) -> float:
    """Units by the sizing alone; NaN: the volatility is not known."""
    equity = funds.equity
    match sizing_of(risk, funds.pnls):
        case "stop":
            return equity * wish.risk / wish.distance
        case "fraction":
            return equity * risk.fraction / wish.price
        case "equal":
            return equity * risk.max_deployed / (risk.max_positions or math.nan) / wish.price
        case "volatility":
            return equity * risk.target_volatility / (wish.volatility * wish.price)
        case _:
            return equity * risk.kelly_share * _kelly_fraction(funds.pnls) / wish.price


def _kelly_fraction(pnls: Sequence[float]) -> float:
    won = [pnl for pnl in pnls if pnl > 0.0]
    lost = [-pnl for pnl in pnls if not pnl > 0.0]
    if not won:
        return 0.0
    share = len(won) / len(pnls)
    ratio = (math.fsum(won) / len(won)) / (math.fsum(lost) / len(lost))
    return max(share - (1.0 - share) / ratio, 0.0)


def _caps(wish: Wish, funds: Funds, risk: Risk) -> list[tuple[str, float]]:
    """The limits in their order: the outcome that each is named by, and the units that it leaves."""
    held, equity = funds.holdings, funds.equity
    caps: list[tuple[str, float]] = []

    def add_room(outcome: str, limit: float | None, taken: list[float]) -> None:
        if limit is not None:
            caps.append((outcome, (equity * limit - math.fsum(taken)) / wish.price))

    if wish.asset_class == "crypto":
        add_room("class limit", risk.max_crypto, [h.value for h in held if h.asset_class == "crypto"])
    # An unknown sector is one of its own.
    sector = [h.value for h in held if (h.sector or h.symbol) == (wish.sector or wish.symbol)]
    add_room("sector limit", risk.max_sector, sector)
    if risk.max_positions is not None and len({h.symbol for h in held}) >= risk.max_positions:
        caps.append(("position limit", 0.0))
    if risk.max_open_risk is not None:
        left = equity * risk.max_open_risk - math.fsum(h.risk for h in held)
        lost_per_unit = wish.price if math.isnan(wish.distance) else wish.distance
        caps.append(("open risk limit", left / lost_per_unit))
    add_room("deployed limit", risk.max_deployed, [h.value for h in held])
    pending = math.fsum(h.value for h in held if h.is_pending)
    caps.append(("cash limit", (funds.cash - pending) / wish.price))
    return caps


def _lots(qty: float, lots_per_unit: float) -> int:
    return max(math.floor(qty * lots_per_unit), 0)
