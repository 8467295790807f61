"""Buys what rose, the strongest first; sells short what fell, if allowed: for accounts of many symbols."""

from fluxhero.engine.strategy import Feature, Param, enter, enter_short, hold, leave, scored, with_target

PARAMS = {
    "stop": Param(0.01, 0.0, 0.9, "of price"),
    "target": Param(0.02, 0.0, 0.9, "of price", "0: none"),
    "risk": Param(0.05, 0.0, 1.0, "of equity"),
    "shorts": Param(0, 0, 1, "", "0: long only"),
    "ties": Param(0, 0, 1, "", "1: all scores equal"),
}
FEATURES = {"before": Feature("previous", on="close")}
REASONS = {1: "risen", 2: "fallen", 3: "turned"}
MODES = {1: "long", 2: "short"}


def decide(bar, x, p, position):
    rise = bar.close - x.before
    if position.qty != 0.0:
        if rise * position.qty < 0.0 and bar.volume % 3.0 == 0.0:
            return leave(3)
        return hold()
    if rise == 0.0 or (rise < 0.0 and p.shorts == 0.0):
        return hold()
    entry = enter(p.stop * bar.close, p.risk, 1, 1)
    score = rise / x.before
    if rise < 0.0:
        entry = enter_short(p.stop * bar.close, p.risk, 2, 2)
        score = -score
    if p.target > 0.0:
        entry = with_target(entry, p.target * bar.close)
    if p.ties > 0.0:
        score = 1.0
    return scored(entry, score)
