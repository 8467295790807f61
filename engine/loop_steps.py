"""The steps of one bar as text: orders, exits, marks, halts, decisions, sizes, sessions, and the tape.

Each is a loop over lanes, or several, for one symbol. Where every symbol has its own account they run as they
are (``codegen.py``); one account for all puts them into loops over symbols (``shared_loop.py``).
"""

from ..kernels.intent import PositionView
from ..kernels.tape import TAPE, VENUE_FIELDS
from .layout import Layout, Variant

VENUE = {name: column for column, name in enumerate(VENUE_FIELDS)}


def indent(lines: list[str], depth: int = 1) -> list[str]:
    return ["    " * depth + line for line in lines]


def lane_loop(layout: Layout, body: list[str]) -> list[str]:
    return [f"for k in range({layout.n_lanes}):", *indent(body)]


def bar_text(name: str, source: str, row: str) -> str:
    return f"{name} = Bar({', '.join(f'{source}[{row}, {i}]' for i in range(5))})"


_ACTS_IN_TURN = {
    "opening": "acts = acts & is_entry(lane.order, lane.position.qty)",
    "closing": "acts = acts & (not is_entry(lane.order, lane.position.qty))",
}
# After fills: who still waits, who holds, and that equity must be looked at even where all are flat now.
_SETTLED = [
    "working, holding = count_working(block, own), count_holding(block, own)",
    "dirty = 1",
]


def _venue(name: str) -> str:
    return f"venue[t, {VENUE[name]}]"


def _venue_fill(which: str) -> str:
    fields = (_venue(f"{which}_{name}") for name in ("qty", "price", "commission", "reference"))
    return f"fill = Fill({', '.join(fields)})"


def _venue_order() -> list[str]:
    answer = f"{_venue('order_done')}, {_venue('order_at')}, {_venue('order_reached')} > 0.0"
    return [_venue_fill("order"), f"lane = venue_order(lane, {answer}, fill, symbol, USES)"]


def _constants(*names: str) -> list[str]:
    return [f"{name} = load_{name}(block, own, k)" for name in names]


def order_loop(layout: Layout, variant: Variant, only: str = "") -> list[str]:
    """Settle orders that wait or rest, if the block has one; a venue's word is taken with or without a bar.

    `only` "closing" settles those that take off, "opening" those that add: where weights are traded in a
    shared account, what is sold pays for what is bought.
    """
    uses = variant.uses
    body = ["lane = load_lane(block, own, k)", *_constants("costs", "execution", "symbol")]
    asked = ["was = lane.order.action"]
    if variant.venue:
        body += ["acts = True", *asked, *_venue_order()]
        when = f"if {_venue('order_done')} > 0.0"
        when += f" and {_venue('order_at')} != AT_CLOSE:" if uses.at_close else ":"
    else:
        when = "if flag & FILL and working > 0:"
        acts = "acts = lane.order.action != NO_ORDER"
        if uses.working:
            when = "if flag & BAR and working > 0:"
            acts = "lane, acts = begin(lane, (flag & FILL) > 0, execution.delay_bars)"
            if only == "opening":  # those that close have let the wait go on
                acts = "acts = (lane.order.action != NO_ORDER) & (lane.order.wait == 0.0)"
        body += [acts, *asked, "is_market = lane.order.kind == MARKET"]
        if only:
            body += [_ACTS_IN_TURN[only]]
        if uses.at_close:
            body += ["is_market = is_market & (execution.timing == OPEN)"]
            body += ["acts = acts & (is_market | (lane.order.kind != MARKET))"]
        rules = "place, costs, execution, symbol, slippage, USES"
        body += ["fill = no_fill()"]
        if uses.resting:
            body += [f"rested, fill = settle_resting(lane, acts, {rules})"]
        body += [f"traded, bought = settle_market(lane, bar.open, HELD, acts & is_market, {rules})"]
        if uses.resting:
            body += ["fill = bought if is_market else fill"]
            body += ["lane = traded if is_market else rested"]
        else:
            body += ["lane, fill = traded, bought"]
    if variant.tape:
        body += ["if acts:", *indent(_tape_order())]
    body += ["store_settled(block, own, k, lane)"]
    waits = _venue_waits(layout) if variant.venue and uses.working else []
    return [*waits, when, *indent([*lane_loop(layout, body), *_SETTLED])]


def _tape_order() -> list[str]:
    """What became of an order that has come up for its fill."""
    values = {
        "order_done": "was",
        "order_left": "1.0 if lane.order.action != NO_ORDER else 0.0",
    }
    return [*_tape_fill("order"), *(f"tape[t, {TAPE[name]}] = {value}" for name, value in values.items())]


def _venue_waits(layout: Layout) -> list[str]:
    """Let the waits of orders go on as the venue does."""
    body = [
        "lane = load_lane(block, own, k)",
        "lane, acts = begin(lane, (flag & FILL) > 0, load_execution(block, own, k).delay_bars)",
        "store_settled(block, own, k, lane)",
    ]
    return ["if flag & BAR and working > 0:", *indent(lane_loop(layout, body))]


def exit_loop(layout: Layout, variant: Variant) -> list[str]:
    """Execute protective stops and targets, if the bar reaches one; a venue does it by itself and tells."""
    body = ["lane = load_lane(block, own, k)", *_constants("costs", "execution", "symbol")]
    if variant.venue:
        when = f"if {_venue('exit_kind')} > 0.0:"
        body += [_venue_fill("stop"), f"kind = {_venue('exit_kind')}"]
        body += ["lane = venue_exit(lane, kind, fill, symbol, USES)"]
    else:
        when = "if flag & BAR and holding > 0 and count_touches(block, own, bar) > 0:"
        body += ["lane, fill, kind = settle_exit(lane, place, costs, execution, symbol, slippage, USES)"]
    if variant.tape:
        body += _tape_fill("stop")
        body += [f"tape[t, {TAPE['exit_kind']}] = kind"]
    body += ["store_settled(block, own, k, lane)"]
    return [when, *indent([*lane_loop(layout, body), *_SETTLED])]


def close_loop(layout: Layout, variant: Variant, only: str = "") -> list[str]:
    """Settle market orders whose lane trades at the close; `only` as in `_order_loop`."""
    uses = variant.uses
    if not uses.at_close:
        return []
    at_close = "(lane.order.action != NO_ORDER) & (lane.order.kind == MARKET) & (execution.timing == CLOSE)"
    body = [
        "lane = load_lane(block, own, k)",
        *_constants("costs", "execution", "symbol"),
        "was = lane.order.action",
        f"acts = {'True' if variant.venue else at_close}",
        *(["acts = acts & (lane.order.wait == 0.0)"] if uses.working and not variant.venue else []),
        *([_ACTS_IN_TURN[only]] if only else []),
    ]
    simulated = [
        "lane, fill = settle_market(lane, bar.close, AT_CLOSE, acts, place, "
        "costs, execution, symbol, slippage, USES)"
    ]
    body += _venue_order() if variant.venue else simulated
    if variant.tape:
        # A stop entry that this bar has triggered is written already: the bar has no volume left for it.
        body += [
            f"tells = acts & (tape[t, {TAPE['order_done']}] == 0.0)",
            "if tells:",
            *indent(_tape_order()),
            f"    tape[t, {TAPE['order_at_close']}] = 1.0",
        ]
    body += ["store_settled(block, own, k, lane)"]
    when = "if flag & BAR and working > 0:" if uses.working else "if flag & FILL and working > 0:"
    if variant.venue:
        when = f"if {_venue('order_done')} > 0.0 and {_venue('order_at')} == AT_CLOSE:"
    return [when, *indent([*lane_loop(layout, body), *_SETTLED])]


def falls() -> list[str]:
    return [
        "why = falls(lane.account.equity, lane.returns.session_equity, peak_equity(lane, USES), "
        "lane.halt.reason, load_risk(block, own, k))",
        "n_falls += 1 if why != 0.0 else 0",
    ]


def mark_loop(layout: Layout, variant: Variant) -> list[str]:
    """Value the lanes at the close; stop those that have lost too much."""
    halts = variant.uses.halts
    body = [
        "symbol = load_symbol(block, own, k)",
        "lane = mark(load_lane(block, own, k), bar.high, bar.low, bar.close, symbol, USES)",
        "store_marked(block, own, k, lane)",
        "store_valued(block, own, k, lane)",
        *(falls() if halts else []),
    ]
    loop = [*(["n_falls = 0"] if halts else []), *lane_loop(layout, body)]
    if halts:
        stop = [
            "lane = halted(load_lane(block, own, k), load_risk(block, own, k), USES)",
            "store_halted(block, own, k, lane)",
            *liquidate(variant),
        ]
        loop += [
            "if n_falls > 0:",
            *indent(lane_loop(layout, stop)),
            "    working = count_working(block, own)",
        ]
    # The equity of lanes that are all flat stays what it is.
    return ["if flag & BAR and (holding > 0 or dirty > 0):", *indent(["dirty = 0", *loop])]


def liquidate(variant: Variant) -> list[str]:
    lines = ["lane = liquidated(lane, load_execution(block, own, k).delay_bars)"]
    if variant.tape:
        lines += [f"tape[t, {TAPE['halted']}] = lane.halt.reason"]
    return [*lines, "store_liquidated(block, own, k, lane)"]


def decision_loop(layout: Layout, variant: Variant) -> list[str]:
    """Ask the rule."""
    gather, n = [], layout.n_lanes
    for i, name in enumerate(layout.features):
        copy = f"{layout.at(f'x.{name}')} = x[j, columns[{i * n} + k]]"
        gather += [f"if swept[{i}]:", *indent(lane_loop(layout, [copy]))]
    shared = [f"x[j, columns[{i * n}]]" for i in range(len(layout.features))]
    differs = [f"swept[{i}] > 0" for i in range(len(layout.features))]
    view = [f"held.{name}" for name in PositionView._fields if name != "resting"]
    resting = "(-1.0 if lane.order.action == SELL else 1.0) if rests(lane, USES) else 0.0"
    decide = [
        "lane = load_lane(block, own, k)",
        "row = load_features(block, own, k, differs, shared)",
        "held = lane.position",
        f"view = PositionView({', '.join(view)}, {resting})",
        "intent = decide(decision_bar, row, load_params(block, own, k), view)",
        "lane, verdict = request(lane, intent, is_known(row), load_symbol(block, own, k), USES)",
        *(_tape_decision() if variant.tape else []),
        "store_decided(block, own, k, lane)",
    ]
    return [
        "if flag & DECIDE:",
        *indent(
            [
                "j = rows[t]",
                bar_text("decision_bar", "decision_bars", "j"),
                *gather,
                f"shared = Features({', '.join(shared) or '0.0'})",
                f"differs = Swept({', '.join(differs) or 'False'})",
                *lane_loop(layout, decide),
                "working = count_working(block, own)",
            ]
        ),
    ]


def fact_text(layout: Layout, name: str) -> str:
    """What sizing knows of a symbol: it lies behind the rule's features."""
    if name not in layout.facts:
        return "np.nan"
    return f"x[j, columns[{(len(layout.features) + layout.facts.index(name)) * layout.n_lanes}]]"


def size_loop(layout: Layout, variant: Variant) -> list[str]:
    """Complete the entries that rules asked for, in accounts of one symbol."""
    body = [
        "lane = load_lane(block, own, k)",
        *(["was = lane.order.action"] if variant.tape else []),
        "limits = load_risk(block, own, k)",
        f"room = own_room(lane, decision_bar.close, limits, {layout.at('symbol.is_crypto')}, USES)",
        *sized(variant),
        *(_tape_size() if variant.tape else []),
        "store_sized(block, own, k, lane)",
    ]
    atr, volatility = fact_text(layout, "atr"), fact_text(layout, "volatility")
    facts = f"facts = Facts(decision_bar.close, {atr}, {volatility}, 0.0)"
    return [
        "if flag & DECIDE and working > 0 and count_orders(block, own, REQUESTED) > 0:",
        *indent([facts, *lane_loop(layout, body), "working = count_working(block, own)"]),
    ]


def sized(variant: Variant) -> list[str]:
    """An entry or a weight turned into an order: ``lane, qty, outcome``."""
    entry = "size(lane, facts, room, limits, load_symbol(block, own, k), USES)"
    if not variant.uses.weights:
        return [f"lane, qty, outcome = {entry}"]
    return [
        f"entered, qty, outcome = {entry}",
        "weighed, change, verdict = size_weight(lane, facts, room, limits, load_symbol(block, own, k), USES)",
        "by_weight = asks_weight(lane)",
        "lane = weighed if by_weight else entered",
        "qty = change if by_weight else qty",
        "outcome = verdict if by_weight else outcome",
    ]


def session_loop(layout: Layout, variant: Variant, flag: str) -> list[str]:
    body = [
        "lane = load_lane(block, own, k)",
        "limits = load_risk(block, own, k)",
        *(["was = lane.order.action"] if variant.tape else []),
        "lane = close_session(lane, limits.cash_rate, limits.risk_free, load_costs(block, own, k), USES)",
        *(tape_expiry(flag) if variant.tape else []),
        "store_closed(block, own, k, lane)",
        "store_day_ended(block, own, k, lane)",
    ]
    return [f"if flag & {flag}:", *indent([*lane_loop(layout, body), "dirty = 1"])]


# -- the tape -------------------------------------------------------------------------------------


def _tape_fill(which: str) -> list[str]:
    names = ("qty", "price", "commission", "reference")
    return [f"tape[t, {TAPE[f'{which}_{name}']}] = fill.{name}" for name in names]


def _tape_decision() -> list[str]:
    values = {
        "decided": "1.0",
        "action": "verdict.action",
        "reason": "verdict.reason",
        "decided_qty": "verdict.qty",
        "outcome": "verdict.outcome",
    }
    return [f"tape[t, {TAPE[name]}] = {value}" for name, value in values.items()]


def _tape_size() -> list[str]:
    return [
        "if was == REQUESTED:",
        f"    tape[t, {TAPE['decided_qty']}] = qty",
        f"    tape[t, {TAPE['outcome']}] = outcome",
    ]


def tape_expiry(flag: str) -> list[str]:
    return [
        "if (was != NO_ORDER) & (lane.order.action == NO_ORDER):",
        f"    tape[t, {TAPE['expired']}] = {1.0 if flag == 'LATE_SESSION_END' else 2.0}",
    ]


def tape_close() -> list[str]:
    sources = {
        "equity": "account.equity",
        "cash": "account.cash",
        "qty": "position.qty",
        "entry_price": "position.entry_price",
        "stop": "position.stop",
        "target": "position.target",
        "mode": "position.mode",
        "working": "order.action",
        "order_mode_after": "order.mode",
        "stop_distance": "order.stop_distance",
        "kind": "order.kind",
        "limit": "order.limit",
        "trigger": "order.trigger",
        "target_distance": "order.target",
        "for_day": "order.for_day",
        "order_wait": "order.wait",
    }
    kept = [f"tape[t, {TAPE[name]}] = lane.{source}" for name, source in sources.items()]
    return ["k = 0", "lane = load_lane(block, own, k)", *kept]
