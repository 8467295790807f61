"""The ledger: every order, fill, trade, decision and state, durable before anything acts on it.

One transaction per bar. What a bar caused is in the file whole or not at all, after ``kill -9`` too, and
the checkpoint of the same transaction says up to which bar: whoever resumes from the last checkpoint
repeats exactly what is missing. One runner at a time writes a run; the lock vanishes with its process
(``lock.py``). Writing the same order, decision or equity again is allowed and changes nothing; writing
something else under the same key is refused, since one of the two would be a lie.

A ledger may be used from any thread, one at a time (``database.py``); a reader that must never wait opens
it again with ``read_only=True``.
"""

import json
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from ..engine.errors import NotFoundError, StoreError
from ..engine.records import Decision, EquityPoint, Fill, Intervention, Order, Position, Trade
from .atomic import PathLike
from .database import Database, Synchronous, page_clause
from .ledger_schema import LEDGER, RUN_MODES, Checkpoint, Run
from .lock import FileLock
from .rows import column_list, from_row, to_int64, to_json
from .transaction import Transaction, check_status

R = TypeVar("R", bound=msgspec.Struct)

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # it is part of a file name


class Ledger:
    """A ledger file.

    Parameters
    ----------
    path : path
        The file; made when missing, unless `read_only`.
    synchronous : "full" or "normal"
        "full" survives a power cut; "normal" is faster and survives a kill.
    read_only : bool
        Look on beside the runner that writes.

    Raises
    ------
    NotFoundError
        If `read_only` and there is no such file.
    StoreError
        If the file is no ledger, is damaged, or was made by a newer version.
    """

    def __init__(self, path: PathLike, *, synchronous: Synchronous = "full", read_only: bool = False) -> None:
        self._database = Database(path, LEDGER, synchronous=synchronous, read_only=read_only)
        self._lock: FileLock | None = None
        self._run_id: str | None = None
        self._is_writing = False

    def close(self) -> None:
        """Close the file and give up the run."""
        self.close_run()
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---- runs

    def open_run(
        self,
        run_id: str,
        *,
        strategy: str,
        mode: str,
        created_ns: int,
        config: Mapping[str, Any] | None = None,
    ) -> Run:
        """Begin a run and hold it: no other process may write it until this one closes it or dies.

        Parameters
        ----------
        run_id : str
            Up to 64 letters, digits, and ``. _ -``.
        strategy : str
            Which strategy trades.
        mode : "backtest", "paper" or "live"
            What the orders are.
        created_ns : int, UTC nanoseconds
            When; the ledger reads no clock.
        config : mapping, optional
            Snapshot of the settings, as JSON can say it.

        Raises
        ------
        StoreError
            If the run exists already, is in use, or this ledger holds another run.
        """
        if mode not in RUN_MODES:
            raise StoreError(f"`mode` was {mode!r}, must be one of {', '.join(RUN_MODES)}")
        self._hold(run_id)
        try:
            with self._database.transaction():
                if run_id in {run.run_id for run in self.runs()}:
                    raise StoreError(f"{self._name_of(run_id)} exists; resume it, or choose another name")
                self._database.execute(
                    "INSERT INTO runs (run_id, strategy, mode, created_ns, config) VALUES (?, ?, ?, ?, ?)",
                    (run_id, strategy, mode, to_int64(created_ns), to_json(config or {})),
                )
        except BaseException:
            self.close_run()
            raise
        return self._run(run_id)

    def resume_run(self, run_id: str) -> Run:
        """Hold a run again that was opened before; ``last_checkpoint`` says how far it came.

        Raises
        ------
        NotFoundError
            If there is no such run.
        StoreError
            If it is in use, or this ledger holds another run.
        """
        run = self._run(run_id)
        self._hold(run_id)
        return run

    def close_run(self) -> None:
        """Let go of the run that is held, if any."""
        if self._lock is not None:
            self._lock.release()
        self._lock = self._run_id = None

    def runs(self) -> list[Run]:
        """All runs, in the order of their opening."""
        rows = self._database.rows("SELECT run_id, strategy, mode, created_ns, config FROM runs ORDER BY seq")
        return [
            Run(run_id, strategy, mode, created_ns, json.loads(config))
            for run_id, strategy, mode, created_ns, config in rows
        ]

    # ---- writing

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One bar of the run that is held: all of it becomes durable when the block ends, or nothing.

        Raises
        ------
        StoreError
            If no run is held, or a transaction is open already.
        """
        if self._run_id is None:
            raise StoreError("no run is held; open or resume one before writing")
        with self._database.transaction():
            if self._is_writing:
                raise StoreError("a transaction is open already; a bar is one transaction")
            self._is_writing = True
            writer = Transaction(self._database, self._run_id)
            try:
                yield writer
            finally:
                writer.is_open = self._is_writing = False

    def set_setting(self, key: str, value: Any) -> None:
        """Store a setting of this file, anything that JSON can say; part of the open transaction, if any."""
        with self._database.transaction():
            self._database.execute(
                "INSERT INTO settings (key, value) VALUES (?, ?) "
                "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (key, to_json(value)),
            )

    # ---- reading

    def setting(self, key: str, default: Any = None) -> Any:
        """A setting of this ledger, or the default."""
        rows = self._database.rows("SELECT value FROM settings WHERE key = ?", (key,))
        return json.loads(rows[0][0]) if rows else default

    def orders(self, run_id: str, *, status: str | None = None, symbol: str | None = None) -> list[Order]:
        """Orders as they were recorded, with their present status."""
        if status is not None:
            check_status(status)
        return self._select(Order, "orders", run_id, "seq", status=status, symbol=symbol)

    def fills(self, run_id: str, *, symbol: str | None = None) -> list[Fill]:
        """Executions as they were recorded."""
        return self._select(Fill, "fills", run_id, "seq", symbol=symbol)

    def trades(
        self,
        run_id: str,
        *,
        symbol: str | None = None,
        limit: int | None = None,
        page: int = 1,
        newest_first: bool = False,
    ) -> list[Trade]:
        """Round trips as they were recorded, or one page of them (the first is page 1)."""
        order = "seq DESC" if newest_first else "seq"
        return self._select(Trade, "trades", run_id, order, (limit, page), symbol=symbol)

    def n_trades(self, run_id: str, *, symbol: str | None = None) -> int:
        """How many round trips there are: what the pages add up to."""
        where, values = self._where(run_id, symbol=symbol)
        return int(self._database.rows(f"SELECT count(*) FROM trades WHERE {where}", values)[0][0])

    def decisions(
        self,
        run_id: str,
        *,
        symbol: str | None = None,
        limit: int | None = None,
        page: int = 1,
        newest_first: bool = False,
    ) -> list[Decision]:
        """Decisions in the order of time, or one page of them (the first is page 1)."""
        order = "ts_ns DESC, symbol" if newest_first else "ts_ns, symbol"
        return self._select(Decision, "decisions", run_id, order, (limit, page), symbol=symbol)

    def positions(self, run_id: str) -> list[Position]:
        """The last position of each symbol, flat ones included."""
        return self._select(Position, "positions", run_id, "symbol")

    def interventions(self, run_id: str) -> list[Intervention]:
        """What a person did, in its order."""
        return self._select(Intervention, "interventions", run_id, "seq")

    def equity(
        self,
        run_id: str,
        *,
        symbol: str | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> list[EquityPoint]:
        """The accounts at each close from `start_ns` until before `stop_ns`, in the order of time.

        A shared account stands under the symbol "account".
        """
        where, values = self._where(run_id, symbol=symbol)
        if start_ns is not None:
            where, values = f"{where} AND ts_ns >= ?", (*values, to_int64(start_ns))
        if stop_ns is not None:
            where, values = f"{where} AND ts_ns < ?", (*values, to_int64(stop_ns))
        names = column_list(EquityPoint)
        rows = self._database.rows(f"SELECT {names} FROM equity WHERE {where} ORDER BY ts_ns, symbol", values)
        return [from_row(EquityPoint, row) for row in rows]

    def last_checkpoint(self, run_id: str) -> Checkpoint | None:
        """The state to resume from, None before the first.

        Raises
        ------
        StoreError
            If the stored state is not what was written.
        """
        where, values = self._where(run_id)
        rows = self._database.rows(f"SELECT ts_ns, state, crc FROM checkpoints WHERE {where}", values)
        if not rows:
            return None
        ts_ns, state, crc = rows[0]
        if zlib.crc32(state) != crc:
            raise StoreError(f"the checkpoint of {self._name_of(run_id)} is damaged; restore the ledger")
        return Checkpoint(ts_ns, state)

    # ---- within

    def _hold(self, run_id: str) -> None:
        if not _RUN_ID.fullmatch(run_id):
            raise StoreError(f"`run_id` was {run_id!r}, must be 1 to 64 letters, digits, or any of . _ -")
        if self._database.read_only:
            raise StoreError(f"{self._database.path} is open for reading only")
        if self._run_id is not None:
            raise StoreError(f"this ledger holds run {self._run_id!r}; close that first")
        path = self._database.path
        lock = FileLock(path.with_name(f"{path.name}.{run_id}.lock"), self._name_of(run_id))
        lock.acquire()
        self._lock, self._run_id = lock, run_id

    def _run(self, run_id: str) -> Run:
        runs = {run.run_id: run for run in self.runs()}
        if run_id not in runs:
            known = ", ".join(runs) if runs else "none"
            raise NotFoundError(f"run {run_id!r} is not in {self._database.path}; it has {known}")
        return runs[run_id]

    def _name_of(self, run_id: str) -> str:
        return f"run {run_id!r} of {self._database.path}"

    def _where(self, run_id: str, **equal: str | None) -> tuple[str, tuple[Any, ...]]:
        self._run(run_id)  # a mistyped name must not read as "no orders"
        given = {name: value for name, value in equal.items() if value is not None}
        return " AND ".join(f"{name} = ?" for name in ("run_id", *given)), (run_id, *given.values())

    def _select(
        self,
        record: type[R],
        table: str,
        run_id: str,
        order: str,
        page: tuple[int | None, int] = (None, 1),
        **equal: str | None,
    ) -> list[R]:
        where, values = self._where(run_id, **equal)
        end, end_values = page_clause(*page)
        sql = f"SELECT {column_list(record)} FROM {table} WHERE {where} ORDER BY {order}{end}"
        return [from_row(record, row) for row in self._database.rows(sql, (*values, *end_values))]
