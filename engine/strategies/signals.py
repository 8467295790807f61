"""Signals: entries and exits that were decided elsewhere, given as series beside the bars.

Above 0 in ``entries`` buys, below 0 sells short; anything but 0 in ``exits`` leaves, be the position long or
short. So does an entry for the other side: the account is flat then, and turns at the next signal. Where both
stand on one bar the exit counts. A signal stands at the close at which it is known and fills at the next
bar's open; one on a bar that the symbol lacks, or between two decisions, is not seen. Unknown (NaN) is no
signal. Each position risks `risk` of equity against a stop `stop` away. Made ready by::

    market = fx.with_series(market, entries=entries, exits=exits)
    run = fx.backtest("signals", market, params={"stop": 0.03})
"""

from ..strategy import Param, Series, enter, enter_short, hold, leave

PARAMS = {
    "stop": Param(0.05, 0.0005, 0.9, "of price", "distance of the protective stop"),
    "risk": Param(0.01, 0.0001, 0.2, "of equity", "lost if a position is stopped out"),
}

FEATURES = {
    "entries": Series("entries", unknown=0.0, doc="above 0 buys, below 0 sells short"),
    "exits": Series("exits", unknown=0.0, doc="anything but 0 leaves"),
}

REASONS = {
    1: "entry signal, long",
    2: "entry signal, short",
    11: "exit signal",
    12: "entry signal for the other side",
    21: "refused: entry and exit signal on one bar",
}


def decide(bar, x, p, position):
    if position.qty != 0.0:
        if x.exits != 0.0:
            return leave(11)
        if x.entries * position.qty < 0.0:
            return leave(12)
        return hold()
    if x.entries == 0.0:
        return hold()
    if x.exits != 0.0:
        return hold(21)
    if x.entries > 0.0:
        return enter(p.stop * bar.close, p.risk, 1)
    return enter_short(p.stop * bar.close, p.risk, 2)
