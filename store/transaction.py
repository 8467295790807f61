"""What one bar writes into the ledger: all of it or nothing.

The same order, decision or equity again changes nothing; something else under the same key is refused.
Fills, trades and interventions have no key of their own: a resumed run repeats only what its last checkpoint
has not seen.
"""

import sqlite3
import zlib
from collections.abc import Mapping
from typing import Any

import msgspec

from ..engine.errors import NotFoundError, StoreError
from ..engine.records import Decision, EquityPoint, Fill, Intervention, Order, Position, Trade
from .database import Database
from .rows import column_list, columns, to_int64, to_row

Row = tuple[Any, ...]

# Where an order may go from where it is. Unknown: nobody knows whether the venue has it, until
# reconciliation.
ORDER_TRANSITIONS: Mapping[str, tuple[str, ...]] = {
    "pending": ("accepted", "filled", "cancelled", "rejected", "unknown"),
    "accepted": ("filled", "cancelled", "rejected", "unknown"),
    "unknown": ("accepted", "filled", "cancelled", "rejected"),
    "filled": (),
    "cancelled": (),
    "rejected": (),
}


class Transaction:
    """What one bar writes; made by ``Ledger.transaction`` and of no use after its block."""

    def __init__(self, database: Database, run_id: str) -> None:
        self.run_id = run_id
        self.is_open = True
        self._database = database

    def record_order(self, order: Order) -> None:
        """Record an order before it is sent; the same order again changes nothing, its status included.

        Raises
        ------
        StoreError
            If another order has its id, or the record cannot be stored.
        """
        check_status(order.status)
        is_new = self._insert("orders", order, key=("client_order_id",), but="status")
        if is_new or order.status == "pending":
            return
        ((present,),) = self._order("status", order.client_order_id)
        if order.status != present:
            raise StoreError(
                f"order {order.client_order_id!r} is recorded as {present!r}; "
                f"change it with `set_order_status`, not by recording it as {order.status!r}"
            )

    def set_order_status(self, client_order_id: str, status: str) -> None:
        """Move an order to another status (``ORDER_TRANSITIONS``); the present one again changes nothing.

        Raises
        ------
        NotFoundError
            If the order was not recorded.
        StoreError
            If there is no such status, or no way to it.
        """
        check_status(status)
        ((present,),) = self._order("status", client_order_id)
        if status == present:
            return
        if status not in ORDER_TRANSITIONS[present]:
            ways = ", ".join(ORDER_TRANSITIONS[present]) or "nothing: that is final"
            raise StoreError(
                f"order {client_order_id!r} is {present}, it cannot become {status!r}; allowed: {ways}"
            )
        self._execute(
            "UPDATE orders SET status = ? WHERE run_id = ? AND client_order_id = ?",
            (status, self.run_id, client_order_id),
        )

    def set_order_qty(self, client_order_id: str, qty: float) -> None:
        """Let a stop or a target protect another quantity, since its entry was executed further.

        Raises
        ------
        NotFoundError
            If the order was not recorded.
        StoreError
            If it is no stop or target, or the quantity is no number.
        """
        ((kind,),) = self._order("kind", client_order_id)
        if kind not in ("stop", "target") or not qty >= 0.0:
            raise StoreError(
                f"order {client_order_id!r} is a {kind!r} order, its quantity cannot become {qty!r}"
            )
        self._execute(
            "UPDATE orders SET qty = ? WHERE run_id = ? AND client_order_id = ?",
            (float(qty), self.run_id, client_order_id),
        )

    def record_intervention(self, intervention: Intervention) -> None:
        """Record that a person stopped trading, or let it go on."""
        self._insert("interventions", intervention)

    def record_fill(self, fill: Fill) -> None:
        """Record an execution of a recorded order.

        Raises
        ------
        NotFoundError
            If its order was not recorded.
        StoreError
            If symbol or side are not those of the order, or the record cannot be stored.
        """
        ((symbol, side),) = self._order("symbol, side", fill.client_order_id)
        if (fill.symbol, fill.side) != (symbol, side):
            raise StoreError(
                f"fill of order {fill.client_order_id!r} has symbol {fill.symbol!r} and side {fill.side}, "
                f"the order has {symbol!r} and {side}"
            )
        self._insert("fills", fill)

    def record_trade(self, trade: Trade) -> None:
        """Record a finished round trip."""
        self._insert("trades", trade)

    def record_decision(self, decision: Decision) -> None:
        """Record what was decided for a symbol at a bar; there is one decision per symbol and bar."""
        self._insert("decisions", decision, key=("symbol", "ts_ns"))

    def record_position(self, position: Position) -> None:
        """Record what is held of a symbol now; it replaces what was held before."""
        self._insert("positions", position, replace=True)

    def record_equity(self, symbol: str, ts_ns: int, equity: float, cash: float, qty: float) -> None:
        """Record the account of a symbol at the close of a bar."""
        self._insert("equity", EquityPoint(symbol, ts_ns, equity, cash, qty), key=("symbol", "ts_ns"))

    def save_checkpoint(self, run_id: str, ts_ns: int, state: bytes) -> None:
        """Save the state after this bar; only the last one is kept.

        Raises
        ------
        StoreError
            If `run_id` is not the run that is held, or the checkpoint is older than the last.
        """
        if run_id != self.run_id:
            raise StoreError(f"checkpoint of run {run_id!r}, but the ledger holds run {self.run_id!r}")
        if not isinstance(state, bytes):
            raise StoreError(f"`state` was a {type(state).__name__}, must be bytes")
        ts_ns = to_int64(ts_ns)
        last = self._rows("SELECT ts_ns FROM checkpoints WHERE run_id = ?", (run_id,))
        if last and last[0][0] > ts_ns:
            raise StoreError(f"checkpoint at {ts_ns} ns is older than the last, at {last[0][0]} ns")
        self._execute(
            "INSERT INTO checkpoints (run_id, ts_ns, state, crc) VALUES (?, ?, ?, ?) ON CONFLICT (run_id) "
            "DO UPDATE SET ts_ns = excluded.ts_ns, state = excluded.state, crc = excluded.crc",
            (run_id, ts_ns, state, zlib.crc32(state)),
        )

    # ---- within

    def _order(self, names: str, client_order_id: str) -> list[Row]:
        rows = self._rows(
            f"SELECT {names} FROM orders WHERE run_id = ? AND client_order_id = ?",
            (self.run_id, client_order_id),
        )
        if not rows:
            raise NotFoundError(f"order {client_order_id!r} is not recorded in run {self.run_id!r}")
        return rows

    def _insert(
        self,
        table: str,
        record: msgspec.Struct,
        *,
        key: tuple[str, ...] = (),
        but: str = "",
        replace: bool = False,
    ) -> bool:
        """Insert a record; where its key is taken, refuse it unless all columns `but` one are the same.

        Returns whether it is new.
        """
        row = to_row(record)
        verb = "INSERT OR REPLACE" if replace else "INSERT"
        sql = f"{verb} INTO {table} (run_id, {column_list(type(record))}) VALUES (?{', ?' * len(row)})"
        try:
            self._execute(sql, (self.run_id, *row))
        except sqlite3.IntegrityError as error:
            stored = self._stored(table, record, row, key) if key else None
            if stored is None:
                raise StoreError(f"the ledger refuses {record!r}: {error}") from error
            _check_same(record, row, stored, but)
            return False
        return True

    def _stored(self, table: str, record: msgspec.Struct, row: Row, key: tuple[str, ...]) -> Row | None:
        """The row that has the key of this one, if any."""
        names = columns(type(record))
        where = " AND ".join(f"{name} = ?" for name in ("run_id", *key))
        values = (self.run_id, *(row[names.index(name)] for name in key))
        rows = self._rows(f"SELECT {column_list(type(record))} FROM {table} WHERE {where}", values)
        return rows[0] if rows else None

    def _execute(self, sql: str, values: Row) -> None:
        self._check_open()
        self._database.execute(sql, values)

    def _rows(self, sql: str, values: Row) -> list[Row]:
        self._check_open()
        return self._database.rows(sql, values)

    def _check_open(self) -> None:
        if not self.is_open:
            raise StoreError("this transaction is over; open the next one")


def check_status(status: str) -> None:
    if status not in ORDER_TRANSITIONS:
        raise StoreError(f"order status {status!r} is unknown; known are {', '.join(ORDER_TRANSITIONS)}")


def _check_same(record: msgspec.Struct, row: Row, stored: Row, but: str) -> None:
    for name, new, old in zip(columns(type(record)), row, stored, strict=True):
        if new != old and name != but:
            raise StoreError(
                f"{type(record).__name__} recorded before with other content: "
                f"`{name}` is {old!r} there and {new!r} in {record!r}"
            )
