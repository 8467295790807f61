"""Losses that stop trading: the daily limit and the drawdown limit.

They look at every close. What they close leaves with a market order at the next bar; entries that wait or
rest are taken back at once. Whoever is stopped for the day falls on if the drawdown limit is reached too:
then it is that.
"""

from .decorator import kernel
from .fills import is_entry
from .lane import DAILY_LOSS, DRAWDOWN_HALT, NO_ORDER, Halt, Lane, closing_order, no_order, with_order
from .sizes import Risk, has_fallen, peak_equity
from .uses import Uses


@kernel
def falls(equity: float, session_equity: float, peak: float, reason: float, limits: Risk) -> float:
    """Why an account at `equity` must stop now; 0 where it need not, or has stopped already."""
    by_day = (reason == 0.0) & has_fallen(equity, limits.daily_loss, session_equity)
    by_peak = (reason != DRAWDOWN_HALT) & has_fallen(equity, limits.drawdown_halt, peak)
    return DRAWDOWN_HALT if by_peak else (DAILY_LOSS if by_day else 0.0)


@kernel
def halted(lane: Lane, limits: Risk, uses: Uses) -> Lane:
    """The lane with its trading stopped, where a limit says so."""
    halt = lane.halt
    reason = falls(
        lane.account.equity, lane.returns.session_equity, peak_equity(lane, uses), halt.reason, limits
    )
    if reason != 0.0:
        sessions = limits.halt_sessions if reason == DRAWDOWN_HALT else 0.0
        halt = Halt(reason, sessions, halt.peak)
    return Lane(lane.position, lane.order, lane.account, lane.trades, lane.drawdown, lane.returns, halt)


@kernel
def liquidated(lane: Lane, delay_bars: float) -> Lane:
    """Take back the entry of a stopped lane and close what it holds."""
    position, order = lane.position, lane.order
    enters = is_entry(order, position.qty)
    # An order that takes off a part is not enough: everything is to be closed.
    is_part = order.qty < abs(position.qty)
    left = no_order() if (order.action == NO_ORDER) | enters | is_part else order
    if (position.qty != 0.0) & (left.action == NO_ORDER):
        left = closing_order(position.qty, position.mode, lane.halt.reason, delay_bars + 1.0)
    return with_order(lane, left if lane.halt.reason != 0.0 else order)


@kernel
def new_session(halt: Halt, equity: float) -> Halt:
    """A halt after one more session: the day's is over, that of a drawdown after its number of sessions."""
    left = max(halt.sessions - 1.0, 0.0)
    ends = (halt.reason == DRAWDOWN_HALT) & (halt.sessions > 0.0) & (left == 0.0)
    over = ends | (halt.reason == DAILY_LOSS)
    return Halt(0.0 if over else halt.reason, left, equity if ends else max(halt.peak, equity))
