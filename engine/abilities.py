"""What a run needs compiled in: the words of its rule, and what its settings switch on."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from ..kernels.intent import (
    Intent,
    aim,
    at_limit,
    at_stop,
    cancel,
    enter_short,
    good_for_day,
    scored,
    target_weight,
    unprotected,
    with_target,
    with_trailing,
)
from ..kernels.uses import Uses
from .fingerprint import mentions
from .layout import FACTS, Variant
from .setup import Setup
from .strategy import Strategy

# Whoever makes an `Intent` by hand may say anything.
_WORDS: dict[str, dict[str, Any]] = {
    "shorts": {"enter_short": enter_short, "lowest_low": None},
    "resting": {"at_limit": at_limit, "at_stop": at_stop, "good_for_day": good_for_day, "cancel": cancel},
    "targets": {"with_target": with_target, "aim": aim},
    "trailing": {"with_trailing": with_trailing},
    "weights": {"target_weight": target_weight},
    "unprotected": {"unprotected": unprotected},
    "scored": {"scored": scored},
}


# One loop for all settings instead of one for each: the same bits, compiled once, slower.
EVERYTHING = False


def says(strategy: Strategy, ability: str) -> bool:
    """Whether a rule, or a helper of its author's, has a word of an ability."""
    return mentions(strategy.decide, {**_WORDS[ability], "Intent": Intent})


def variant_for(setup: Setup, variant: Variant, swept: Collection[str] = ()) -> Variant:
    """`variant` with all that a run of `setup` needs, whose `swept` settings may take any value."""
    strategy, execution, risk = setup.strategy, setup.execution, setup.risk
    shared = setup.account == "shared"
    if EVERYTHING:
        return replace(
            variant,
            shared=shared,
            ranked=shared,
            sectors=shared,
            correlated=shared,
            facts=FACTS,
            # Whoever holds weights sells before buying: that is another rule, not another loop.
            uses=Uses(*(True for _ in Uses._fields))._replace(weights=says(strategy, "weights")),
        )

    def is_on(name: str, value: object) -> bool:
        return name in swept or bool(value)

    # In live trading a person may stop it too.
    halts = variant.venue or any(
        is_on(f"risk.{name}", getattr(risk, name) is not None) for name in ("drawdown_halt", "daily_loss")
    )
    resting, capped = says(strategy, "resting"), is_on("execution.participation", execution.participation)
    delayed = is_on("execution.delay_bars", execution.delay_bars)
    facts = []
    if is_on("risk.stop_atr", risk.stop_atr is not None):  # any rule may make a NaN, however it does so
        facts.append("atr")
    if is_on("risk.sizing", risk.sizing == "volatility"):
        facts.append("volatility")
    return replace(
        variant,
        shared=shared,
        ranked=shared and says(strategy, "scored"),
        sectors=shared and is_on("risk.max_sector", risk.max_sector is not None),
        correlated=shared and is_on("risk.correlation_above", risk.correlation_above is not None),
        facts=tuple(facts),
        uses=Uses(
            shorts=says(strategy, "shorts") or says(strategy, "weights"),
            resting=resting,
            targets=says(strategy, "targets"),
            trailing=says(strategy, "trailing"),
            weights=says(strategy, "weights"),
            unprotected=says(strategy, "unprotected"),
            counted=is_on("risk.max_trades", risk.max_trades),
            working=resting or capped or delayed or halts,
            capped=capped,
            missed=is_on("execution.missed_fills", execution.missed_fills),
            at_close=is_on("execution.timing", execution.timing == "close"),
            halts=halts,
            resumes=halts and (variant.venue or is_on("risk.halt_sessions", risk.halt_sessions)),
            ticks=execution.tick_rounding,
        ),
    )
