"""Tables of the ledger, and the records that only the ledger has.

A migration that was released is never edited; a change is the next one. Columns of real numbers carry no
type on purpose (``rows.py``); the checks keep out what is no number. Unknown is NULL: a quantity must be
known, all else is recorded as the venue said it. Keys put the rows of a symbol side by side, in the order
of time.

An order may have several fills: it may be executed in parts. A position tells the cash and the equity of the
account that pays for it. Where all symbols share one account, its equity at each close stands under the
symbol "account", without a quantity; otherwise each symbol has its own.
"""

from typing import Any

import msgspec

from .database import Schema

RUN_MODES = ("backtest", "paper", "live")


class Run(msgspec.Struct, frozen=True):
    """One life of one trader, resumed as often as needed."""

    run_id: str
    strategy: str
    mode: str  # one of RUN_MODES
    created_ns: int
    config: dict[str, Any]  # as JSON gives it back


class Checkpoint(msgspec.Struct, frozen=True):
    """State of a run after a bar: what it resumes from."""

    ts_ns: int
    state: bytes


_VERSION_1 = """
CREATE TABLE runs (
    seq INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL UNIQUE,
    strategy TEXT NOT NULL,
    mode TEXT NOT NULL CHECK (mode IN ('backtest', 'paper', 'live')),
    created_ns INTEGER NOT NULL,
    config TEXT NOT NULL
);
CREATE TABLE orders (
    seq INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL REFERENCES runs (run_id),
    client_order_id TEXT NOT NULL CHECK (client_order_id <> ''),
    symbol TEXT NOT NULL,
    side INTEGER NOT NULL CHECK (side IN (1, -1)),
    qty NOT NULL CHECK (typeof(qty) = 'real' AND qty >= 0),
    kind TEXT NOT NULL,
    ts_ns INTEGER NOT NULL,
    reason TEXT NOT NULL,
    stop_price CHECK (typeof(stop_price) IN ('real', 'null')),
    stop_distance CHECK (typeof(stop_distance) IN ('real', 'null')),
    mode INTEGER NOT NULL,
    status TEXT NOT NULL,
    UNIQUE (run_id, client_order_id)
);
CREATE INDEX orders_by_status ON orders (run_id, status);
CREATE TABLE fills (
    seq INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL,
    client_order_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    ts_ns INTEGER NOT NULL,
    side INTEGER NOT NULL CHECK (side IN (1, -1)),
    qty NOT NULL CHECK (typeof(qty) = 'real' AND qty >= 0),
    price CHECK (typeof(price) IN ('real', 'null')),
    cost CHECK (typeof(cost) IN ('real', 'null')),
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    FOREIGN KEY (run_id, client_order_id) REFERENCES orders (run_id, client_order_id)
);
CREATE INDEX fills_by_order ON fills (run_id, client_order_id);
CREATE TABLE trades (
    seq INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL REFERENCES runs (run_id),
    symbol TEXT NOT NULL,
    entry_ts_ns INTEGER NOT NULL,
    exit_ts_ns INTEGER NOT NULL,
    qty NOT NULL CHECK (typeof(qty) = 'real' AND qty >= 0),
    entry_price CHECK (typeof(entry_price) IN ('real', 'null')),
    exit_price CHECK (typeof(exit_price) IN ('real', 'null')),
    pnl CHECK (typeof(pnl) IN ('real', 'null')),
    costs CHECK (typeof(costs) IN ('real', 'null')),
    mode INTEGER NOT NULL,
    entry_reason TEXT NOT NULL,
    exit_reason TEXT NOT NULL
);
CREATE INDEX trades_by_run ON trades (run_id, symbol);
CREATE TABLE positions (
    run_id TEXT NOT NULL REFERENCES runs (run_id),
    symbol TEXT NOT NULL,
    ts_ns INTEGER NOT NULL,
    qty NOT NULL CHECK (typeof(qty) = 'real'),
    entry_price CHECK (typeof(entry_price) IN ('real', 'null')),
    stop_price CHECK (typeof(stop_price) IN ('real', 'null')),
    cash CHECK (typeof(cash) IN ('real', 'null')),
    equity CHECK (typeof(equity) IN ('real', 'null')),
    PRIMARY KEY (run_id, symbol)
) WITHOUT ROWID;
CREATE TABLE decisions (
    run_id TEXT NOT NULL REFERENCES runs (run_id),
    symbol TEXT NOT NULL,
    ts_ns INTEGER NOT NULL,
    action TEXT NOT NULL,
    reason TEXT NOT NULL,
    qty CHECK (typeof(qty) IN ('real', 'null')),
    stop_price CHECK (typeof(stop_price) IN ('real', 'null')),
    outcome TEXT NOT NULL,
    "values" TEXT NOT NULL,
    PRIMARY KEY (run_id, symbol, ts_ns)
);
CREATE INDEX decisions_by_time ON decisions (run_id, ts_ns);
CREATE TABLE equity (
    run_id TEXT NOT NULL REFERENCES runs (run_id),
    symbol TEXT NOT NULL,
    ts_ns INTEGER NOT NULL,
    equity CHECK (typeof(equity) IN ('real', 'null')),
    cash CHECK (typeof(cash) IN ('real', 'null')),
    qty CHECK (typeof(qty) IN ('real', 'null')),
    PRIMARY KEY (run_id, symbol, ts_ns)
) WITHOUT ROWID;
CREATE TABLE settings (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE checkpoints (
    run_id TEXT PRIMARY KEY REFERENCES runs (run_id),
    ts_ns INTEGER NOT NULL,
    state BLOB NOT NULL,
    crc INTEGER NOT NULL
)
"""

_VERSION_2 = "ALTER TABLE trades ADD COLUMN side INTEGER NOT NULL DEFAULT 1 CHECK (side IN (1, -1))"

_VERSION_3 = """
ALTER TABLE orders ADD COLUMN limit_price CHECK (typeof(limit_price) IN ('real', 'null'));
ALTER TABLE orders ADD COLUMN trigger_price CHECK (typeof(trigger_price) IN ('real', 'null'));
ALTER TABLE orders ADD COLUMN target_distance CHECK (typeof(target_distance) IN ('real', 'null'));
ALTER TABLE orders ADD COLUMN good_for_day INTEGER NOT NULL DEFAULT 0 CHECK (good_for_day IN (0, 1));
CREATE TABLE interventions (
    seq INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL REFERENCES runs (run_id),
    kind TEXT NOT NULL CHECK (kind IN ('halt', 'emergency_stop', 'resume')),
    ts_ns INTEGER NOT NULL,
    reason TEXT NOT NULL
)
"""

LEDGER = Schema(
    kind="ledger", application_id=0x466C784C, migrations=(_VERSION_1, _VERSION_2, _VERSION_3)
)  # "FlxL"
