"""Uses every word there is: what to do is drawn from the volume, the side from a mean, prices from closes."""

from fluxhero.engine.strategy import (
    Feature,
    Param,
    aim,
    at_limit,
    at_stop,
    cancel,
    enter,
    enter_short,
    good_for_day,
    hold,
    leave,
    scored,
    trail,
    unprotected,
    with_target,
    with_trailing,
)

UNKNOWN = float("nan")

PARAMS = {
    "lookback": Param(4, 1, 50, "bars"),
    "stop": Param(0.01, 0.0, 0.9, "of price"),
    "target": Param(0.02, 0.0, 0.9, "of price", "0: none"),
    "trailing": Param(0.0, 0.0, 0.9, "of price", "0: none"),
    "offset": Param(0.002, -0.5, 0.5, "of price", "of a limit below, of a trigger above"),
    "risk": Param(0.05, 0.0, 1.0, "of equity"),
    "patience": Param(6, 0, 12, "of 12", "how often a resting entry is left alone"),
    "shorts": Param(1, 0, 1, "", "0: long only"),
}
FEATURES = {
    "before": Feature("previous", on="close"),
    "mean": Feature("sma", lookback="lookback"),
}
REASONS = {1: "above the mean", 2: "below the mean", 3: "drawn", 4: "closer", 5: "elsewhere", 6: "no more"}
MODES = {1: "long", 2: "short"}


def bracket(bar, x, p, side, kind):
    """An entry: 0, 1 market, 2, 3 limit, 4, 5 stop, 6 stop-limit, 7 a limit beyond its trigger at times."""
    distance = p.stop * bar.close
    if kind == 1.0:
        distance = UNKNOWN
    entry = enter(distance, p.risk, 1, 1)
    if side < 0.0:
        entry = enter_short(distance, p.risk, 2, 2)
    if kind == 2.0:
        entry = at_limit(entry, bar.close * (1.0 - side * p.offset))
    if kind == 3.0:
        entry = at_limit(entry, x.before)
    if kind >= 4.0:
        entry = at_stop(entry, bar.close * (1.0 + side * p.offset))
    if kind == 6.0:
        entry = at_limit(entry, bar.close * (1.0 + 1.5 * side * p.offset))
    if kind == 7.0:
        entry = at_limit(entry, x.before)
    return entry


def held(bar, p, position, side, pick):
    if pick == 0.0:
        return leave(3)
    if pick <= 2.0:
        return trail(bar.close * (1.0 - side * p.stop), 4)
    if pick == 3.0:
        return aim(bar.close * (1.0 + side * p.target), 5)
    if pick == 4.0 and position.target > 0.0:
        return aim(position.target - side * 0.1 * p.target * bar.close, 5)
    if pick == 5.0:
        return cancel(6)
    if pick == 6.0:
        return enter(p.stop * bar.close, p.risk, 1, 1)
    return hold()


def dressed(entry, bar, p, pick):
    """The entry with its target, trailing stop, day and score."""
    if p.target > 0.0:
        entry = with_target(entry, p.target * bar.close)
    if p.trailing > 0.0:
        entry = with_trailing(entry, p.trailing * bar.close)
    if pick % 3.0 == 0.0:
        entry = good_for_day(entry)
    if pick == 7.0:
        entry = unprotected(entry)
    return scored(entry, bar.volume % 5.0)


def decide(bar, x, p, position):
    pick = bar.volume % 12.0
    if position.qty != 0.0:
        side = 1.0
        if position.qty < 0.0:
            side = -1.0
        return held(bar, p, position, side, pick)
    if position.resting != 0.0:
        if pick < p.patience:
            return hold(3)
        if pick == 10.0:
            return leave(3)
        if pick == 11.0:
            return cancel(6)
    elif pick == 0.0:
        return aim(bar.close, 5)
    elif pick == 1.0:
        return cancel(6)
    side = 1.0
    if bar.close < x.mean and p.shorts > 0.0:
        side = -1.0
    return dressed(bracket(bar, x, p, side, bar.volume // 12.0 % 8.0), bar, p, pick)
