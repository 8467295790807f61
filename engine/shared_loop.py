"""The loop over time where one account serves all symbols.

In a bar the orders of all symbols act, then all exits, marks and decisions, and last the sizes, which take
from one room. What one symbol's steps say in text is turned to that symbol by its index ``s``.
"""

import re

from ..kernels.tape import TAPE
from .layout import Layout, Variant
from .loop_steps import (
    bar_text,
    close_loop,
    decision_loop,
    exit_loop,
    fact_text,
    falls,
    indent,
    lane_loop,
    liquidate,
    order_loop,
    sized,
    tape_close,
    tape_expiry,
)


def _per_symbol(lines: list[str]) -> list[str]:
    """The text of one symbol's steps within a loop over symbols ``s``."""
    turned = []
    for line in lines:
        for name in ("tape", "venue", "bars", "decision_bars", "flags", "mean_volume", "draws", "rows"):
            for index in ("t", "j"):
                line = re.sub(rf"(?<!\w){name}\[{index}", f"{name}[s, {index}", line)
        line = line.replace("x[j, ", "x[s, j, ")
        turned.append(re.sub(r"(?<!\w)(working|holding|asked)(?!\w)", r"\1[s]", line))
    return turned


def _symbols(*lines: str) -> list[str]:
    return [
        "for s in range(n_symbols):",
        "    own = owns[s]",
        *indent(_per_symbol(["flag = flags[t]", *lines])),
    ]


_PLACE = [bar_text("bar", "bars", "t"), "place = Venue(bar, mean_volume[t], draws[t])"]


def shared_loop(layout: Layout, variant: Variant) -> list[str]:
    """All symbols' orders, then all exits, marks and decisions, and last the sizes: one account for all."""
    turns = ("closing", "opening") if variant.uses.weights and not variant.venue else ("",)
    closes = [close_loop(layout, variant, only) for only in turns]
    body = [
        *(["tape[:, t, :] = 0.0"] if variant.tape else []),
        *_shared_session(layout, variant, "LATE_SESSION_END"),
        *(line for only in turns for line in _symbols(*_PLACE, *order_loop(layout, variant, only))),
        *_symbols(*_PLACE, *exit_loop(layout, variant)),
        *(line for close in closes if close for line in _symbols(*_PLACE, *close)),
        *_shared_mark(layout, variant),
        "n_asked = 0",
        *_symbols(
            *decision_loop(layout, variant),
            "asked = 0",
            "if flag & DECIDE and working > 0:",
            "    asked = count_orders(block, own, REQUESTED)",
            "n_asked += asked",
        ),
        "if n_asked > 0:",
        *indent(_shared_sizes(layout, variant)),
        *_shared_session(layout, variant, "SESSION_END"),
        *(_symbols(*tape_close()) if variant.tape else []),
    ]
    signature = (
        "bars, flags, mean_volume, draws, rows, decision_bars, x, columns, swept, block, owns, closes, "
        "working, holding, asked, account_flags, correlations, correlation_rows, sectors, tape, venue, "
        "start, stop"
    )
    return [
        "",
        "@entry",
        f"def advance({signature}):",
        *indent(
            [
                "n_symbols = owns.shape[0]",
                "for s in range(n_symbols):",
                "    working[s], holding[s] = count_working(block, owns[s]), count_holding(block, owns[s])",
                "dirty = 1",
                "for t in range(start, stop):",
            ]
        ),
        *indent(body, 2),
    ]


def _zero(layout: Layout, *names: str) -> list[str]:
    return lane_loop(layout, [f"{layout.at(f'scratch.{name}')} = 0.0" for name in names])


def _shared_mark(layout: Layout, variant: Variant) -> list[str]:
    """Add up the account over the symbols, each at its last close, in their order."""
    at = layout.at
    equity, holds = at("scratch.equity"), at("scratch.holds")
    start = [f"{equity} = {at('account.cash')}", f"{holds} = 0.0"]
    own = [
        "lane = load_lane(block, own, k)",
        "symbol = load_symbol(block, own, k)",
        "position = mark_position(lane.position, bar.high, bar.low, bar.close, symbol, USES)",
        "lane = with_position(lane, position)",
        "store_marked(block, own, k, lane)",
    ]
    value = [
        f"{equity} += {at('position.qty')} * closes[s]",
        f"{holds} = 1.0 if {at('position.qty')} != 0.0 else {holds}",
    ]
    halts = variant.uses.halts
    account = [
        "lane = load_lane(block, own, k)",
        f"lane = mark_account(lane, {equity}, {holds} > 0.0, USES)",
        "store_valued(block, own, k, lane)",
        *(falls() if halts else []),
    ]
    lines = [
        *lane_loop(layout, start),
        *_symbols(
            f"if flag & BAR and {'(holding > 0 or dirty > 0)' if variant.uses.capped else 'holding > 0'}:",
            *indent([_PLACE[0], *lane_loop(layout, own)]),
            "if holding > 0:",
            *indent(lane_loop(layout, value)),
        ),
        "own = owns[0]",
        *(["n_falls = 0"] if halts else []),
        *lane_loop(layout, account),
    ]
    if halts:
        stop = [
            "lane = halted(load_lane(block, own, k), load_risk(block, own, k), USES)",
            f"{at('scratch.chosen')} = 1.0 if lane.halt.reason != {at('halt.reason')} else 0.0",
            "store_halted(block, own, k, lane)",
        ]
        close = [
            "lane = load_lane(block, own, k)",
            f"if {at('scratch.chosen')} > 0.0:",
            *indent(liquidate(variant)),
        ]
        lines += [
            "if n_falls > 0:",
            *indent(lane_loop(layout, stop)),
            *indent(_symbols(*lane_loop(layout, close), "working = count_working(block, own)")),
        ]
    return [
        "n_holding = 0",
        *_symbols("if flag & BAR:", "    closes[s] = bars[t, 3]", "n_holding += holding"),
        "if account_flags[t] & BAR and (n_holding > 0 or dirty > 0):",
        *indent(lines),
        "    dirty = 0",
    ]


def _shared_sizes(layout: Layout, variant: Variant) -> list[str]:
    """Count what the account has left, then serve the entries one after the other."""
    at = layout.at
    tallies = ("cash", "deployed", "open_risk", "crypto", "positions")
    asked = "(lane.order.action == REQUESTED)"
    count = [
        "lane = load_lane(block, own, k)",
        "held, order = lane.position, lane.order",
        "value = abs(held.qty) * closes[s]",
        "side = -1.0 if held.qty < 0.0 else 1.0",
        "distance = max(side * (closes[s] - held.stop), 0.0) if held.stop == held.stop else closes[s]",
        "risk = abs(held.qty) * distance",
        f"waits = (order.action != NO_ORDER) & (not {asked}) & is_entry(order, held.qty)",
        "pending = order.qty * closes[s] if waits else 0.0",
        "far = order.stop_distance if order.stop_distance == order.stop_distance else closes[s]",
        f"{at('scratch.cash')} += pending",
        f"{at('scratch.deployed')} += value + pending",
        f"{at('scratch.open_risk')} += risk + (order.qty * far if waits else 0.0)",
        f"{at('scratch.crypto')} += value + pending if {at('symbol.is_crypto')} > 0.0 else 0.0",
        f"{at('scratch.positions')} += 1.0 if (held.qty != 0.0) | waits else 0.0",
    ]
    if variant.uses.weights:
        count += [
            "asks = asks_weight(lane)",
            f"change = wish(lane, closes[s], load_risk(block, own, k), {at('symbol.lots')}).change",
            "change = change if asks else 0.0",
            "freed = max(-change, 0.0)",
            f"{at('scratch.cash')} -= freed * closes[s]",
            f"{at('scratch.deployed')} -= freed * closes[s]",
            f"{at('scratch.open_risk')} -= freed * distance",
            f"{at('scratch.crypto')} -= freed * closes[s] if {at('symbol.is_crypto')} > 0.0 else 0.0",
            f"{at('scratch.positions')} -= 1.0 if (freed > 0.0) & (freed == abs(held.qty)) else 0.0",
        ]
    lines = [
        *_zero(layout, *tallies),
        *_symbols("if holding > 0 or working > 0:", *indent(lane_loop(layout, count))),
    ]
    serve = _shared_serve(layout, variant)
    if not variant.ranked:
        return [
            *lines,
            *_symbols("if asked > 0:", *indent(serve)),
        ]
    best, chosen = at("scratch.best"), at("scratch.chosen")
    score = at("order.score")
    # Where nothing has room for one more lot an entry is denied whoever comes first; only the tape tells why.
    full = (
        f"({at('scratch.positions')} >= {at('risk.max_positions')}) | "
        f"({at('account.equity')} * {at('risk.max_deployed')} - {at('scratch.deployed')} < least) | "
        f"({at('account.cash')} - {at('scratch.cash')} < least)"
    )
    action = at("order.action")
    lots = layout.own_fields.index("symbol.lots") * layout.n_lanes
    look = [
        *(
            []
            if variant.tape or variant.uses.weights
            else [f"{action} = NO_ORDER if ({action} == REQUESTED) & ({full}) else {action}"]
        ),
        f"score = {score} if {score} == {score} else -np.inf",
        f"wins = ({at('order.action')} == REQUESTED) & ((score > {best}) | ({chosen} < 0.0))",
        f"{best} = score if wins else {best}",
        f"{chosen} = float(s) if wins else {chosen}",
    ]
    return [
        *lines,
        "while n_asked > 0:",
        *indent(
            [
                *lane_loop(layout, [f"{best} = -np.inf", f"{chosen} = -1.0"]),
                *_symbols(
                    "if asked > 0:",
                    "    j = rows[t]",
                    # Less by a hair: a quotient and a product round apart.
                    f"    least = decision_bars[j, 3] / own[{lots}] * (1.0 - 1e-9)",
                    *indent(lane_loop(layout, look)),
                ),
                "n_asked = 0",
                *_symbols(
                    "if asked > 0:",
                    "    if count_chosen(block, own, float(s)) > 0:",
                    *indent(serve, 2),
                    "    asked = count_orders(block, own, REQUESTED)",
                    "    n_asked += asked",
                ),
            ]
        ),
    ]


def _shared_serve(layout: Layout, variant: Variant) -> list[str]:
    """Size the entries of symbol ``s`` and take what they need from the account's room."""
    at = layout.at
    chosen = f" & ({at('scratch.chosen')} == float(s))" if variant.ranked else ""
    body = [
        "lane = load_lane(block, own, k)",
        "limits = load_risk(block, own, k)",
        f"mine = (lane.order.action == REQUESTED){chosen}",
        f"is_crypto = {at('symbol.is_crypto')} > 0.0",
        "equity = lane.account.equity",
        f"room_crypto = equity * limits.max_crypto - {at('scratch.crypto')} if is_crypto else np.inf",
        *([] if variant.sectors else ["room_sector = np.inf"]),
        *([f"room_sector = equity * limits.max_sector - {at('scratch.sector')}"] if variant.sectors else []),
        f"room = Room(lane.account.cash - {at('scratch.cash')}, "
        f"equity * limits.max_deployed - {at('scratch.deployed')}, "
        f"equity * limits.max_open_risk - {at('scratch.open_risk')}, room_crypto, room_sector, "
        f"limits.max_positions - {at('scratch.positions')})",
        f"correlated = {at('scratch.correlated') if variant.correlated else '0.0'}",
        f"facts = Facts(price, {'atr'}, {'volatility'}, correlated)",
        "before = lane",
        *sized(variant),
        "lane = lane if mine else before",
        "qty = qty if mine else 0.0",
        # What takes off was counted with the room, and adds nothing to what is pending.
        "added = qty if is_entry(lane.order, lane.position.qty) else 0.0",
        "far = lane.order.stop_distance",
        "far = far if far == far else closes[s]",
        f"{at('scratch.cash')} += added * closes[s]",
        f"{at('scratch.deployed')} += added * closes[s]",
        f"{at('scratch.open_risk')} += added * far if added > 0.0 else 0.0",
        f"{at('scratch.crypto')} += added * closes[s] if is_crypto else 0.0",
        f"{at('scratch.positions')} += 1.0 if (added > 0.0) & (lane.position.qty == 0.0) else 0.0",
        *(
            [
                "if mine:",
                f"    tape[t, {TAPE['decided_qty']}] = qty",
                f"    tape[t, {TAPE['outcome']}] = outcome",
            ]
            if variant.tape
            else []
        ),
        "store_sized(block, own, k, lane)",
    ]
    sector = at("scratch.sector")
    exposure = [
        "lane = load_lane(block, other, k)",
        "waits = (lane.order.action != NO_ORDER) & (lane.order.action != REQUESTED) "
        "& is_entry(lane.order, lane.position.qty)",
        f"{sector} += abs(lane.position.qty) * closes[u] + (lane.order.qty * closes[u] if waits else 0.0)",
    ]
    correlated = at("scratch.correlated")
    beside = [
        "lane = load_lane(block, other, k)",
        "waits = (lane.order.action != NO_ORDER) & (lane.order.action != REQUESTED)",
        "held = (lane.position.qty != 0.0) | waits",
        "above = near > load_risk(block, other, k).correlation_above",
        f"{correlated} = 1.0 if held & above else {correlated}",
    ]
    lines = [
        "j = rows[t]",
        "price = decision_bars[j, 3]",  # not the last close where a decision bar ended before this row
        f"atr, volatility = {fact_text(layout, 'atr')}, {fact_text(layout, 'volatility')}",
    ]
    if variant.sectors:
        lines += [
            *_zero(layout, "sector"),
            "for u in range(n_symbols):",
            "    if sectors[u] == sectors[s] and closes[u] == closes[u]:",
            "        other = owns[u]",
            *indent(lane_loop(layout, exposure), 2),
        ]
    if variant.correlated:
        lines += [
            *_zero(layout, "correlated"),
            "for u in range(n_symbols):",
            "    near = correlations[correlation_rows[t], s, u]",
            "    if u != s and near == near:",
            "        other = owns[u]",
            *indent(lane_loop(layout, beside), 2),
        ]
    return [*lines, *lane_loop(layout, body), "working = count_working(block, own)"]


def _shared_session(layout: Layout, variant: Variant, flag: str) -> list[str]:
    """End a session of the account, then the day of each symbol."""
    at = layout.at
    short_value = at("scratch.short_value")
    account = [
        "lane = load_lane(block, own, k)",
        "limits = load_risk(block, own, k)",
        f"idle = max(lane.account.cash - {short_value}, 0.0)",
        f"fee = {short_value} * load_costs(block, own, k).borrow_rate",
        "lane = carried(lane, limits.cash_rate, limits.risk_free, fee, idle, USES)",
        "store_closed(block, own, k, lane)",
    ]
    day = [
        "lane = load_lane(block, own, k)",
        *(["was = lane.order.action"] if variant.tape else []),
        "lane = end_day(lane, USES)",
        *(tape_expiry(flag) if variant.tape else []),
        "store_day_ended(block, own, k, lane)",
    ]
    shorts: list[str] = []
    if variant.uses.shorts:
        borrowed = [f"{short_value} += max(-{at('position.qty')}, 0.0) * closes[s]"]
        shorts = _symbols("if closes[s] == closes[s]:", *indent(lane_loop(layout, borrowed)))
    return [
        f"if account_flags[t] & {flag}:",
        *indent(
            [
                *_zero(layout, "short_value"),
                *shorts,
                "own = owns[0]",
                *lane_loop(layout, account),
                *_symbols(*lane_loop(layout, day)),
                "dirty = 1",
            ]
        ),
    ]
