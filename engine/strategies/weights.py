"""Target weights from elsewhere: hold the share of equity that a series says.

    market = fx.with_series(market, weights=weights)
    run = fx.backtest("weights", market, account="shared", risk="none")

A weight is known at the close of its bar and traded at the next one; below zero it is short; where it is
unknown the position stays as it is. Sizes come from the weight alone, under the limits of the risk profile.
Without protection positions have no stop, as models and array backtests want it; live trading needs it.
"""

from ..strategy import Param, Series, target_weight, unprotected

PARAMS = {
    "scale": Param(1.0, 0.0, 10.0, "", "every weight is multiplied by it"),
    "protection": Param(0, 0, 1, "", "a stop of the risk profile for every position", {"none": 0, "stop": 1}),
}

FEATURES = {"weight": Series("weights", doc="share of equity to hold, below zero short")}

REASONS = {1: "as the series says"}


def decide(bar, x, p, position):
    if p.protection > 0.0:
        return target_weight(p.scale * x.weight, 1)
    return unprotected(target_weight(p.scale * x.weight, 1))
