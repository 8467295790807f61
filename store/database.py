"""One SQLite file of ours: opened safely, upgraded in place, and refused in plain words where it is not ours.

Write-ahead logging: readers never wait for the writer, and a killed process leaves the last committed
transaction. ``synchronous="full"`` waits for the disk at each commit, so a power cut loses nothing either;
``"normal"`` may lose the last transactions to a power cut, never to a kill, and never tears one.

**Threads.** A database is one connection. Its methods may be called from any thread: a lock lets one in at
a time, and a transaction holds it from begin to end, so that no other thread sees half of one. Whoever must
not wait for a writer opens a second, read-only one.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

from ..engine.errors import NotFoundError, StoreError
from .atomic import PathLike, resolved

Synchronous = Literal["full", "normal"]

_BUSY_TIMEOUT_S = 5.0


class Schema(NamedTuple):
    """What a kind of file holds; `migrations[n]` leads from version n to n + 1 and is never edited."""

    kind: str  # in the words of an error: "ledger"
    application_id: int  # SQLite's own mark of whose file it is
    migrations: tuple[str, ...]


class Database:
    """An open file of a given schema.

    Parameters
    ----------
    path : path
        The file; made when missing (with its folder), unless `read_only`.
    schema : Schema
        What it must hold.
    synchronous : "full" or "normal"
        Whether a commit waits for the disk.
    read_only : bool
        Refuse every write; any number of readers may look on beside a writer.

    Raises
    ------
    NotFoundError
        If `read_only` and there is no such file.
    StoreError
        If the file is something else, damaged, or made by a newer version.
    """

    def __init__(
        self, path: PathLike, schema: Schema, *, synchronous: Synchronous = "full", read_only: bool = False
    ) -> None:
        if synchronous not in ("full", "normal"):
            raise StoreError(f"`synchronous` was {synchronous!r}, must be 'full' or 'normal'")
        self.path = resolved(path)
        self.schema = schema
        self.read_only = read_only
        self._mutex = threading.RLock()
        self._in_transaction = False
        self._check_file()
        with self._plain_errors():
            self._connection = self._connect()
        try:
            with self._plain_errors():
                self._prepare(synchronous)
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the file; committed transactions are in it."""
        with self._mutex:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything that is executed in the block happens, or nothing; inside another one it joins that."""
        with self._mutex:
            if self._in_transaction:
                yield
                return
            if self.read_only:
                raise StoreError(f"{self.path} is open for reading only")
            self._in_transaction = True
            try:
                self.execute("BEGIN IMMEDIATE")
                yield
                self.execute("COMMIT")
            except sqlite3.IntegrityError as error:  # nobody knew what it means
                self._roll_back()
                raise StoreError(f"{self.path} refuses what was to be written: {error}") from error
            except BaseException:
                self._roll_back()
                raise
            finally:
                self._in_transaction = False

    def execute(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Execute one statement; SQLite's errors come out in plain words, a broken constraint as it is."""
        with self._mutex, self._plain_errors():
            return self._connection.execute(sql, values)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._mutex, self._plain_errors():
            return self._connection.execute(sql, values).fetchall()

    def _check_file(self) -> None:
        """Refuse what SQLite would refuse in its own words.

        The file is never opened here: whoever closes any descriptor of a file gives up all locks that this
        process holds on it, SQLite's too, and the next process would delete the log under a writer.
        """
        try:
            if not self.path.exists():
                if self.read_only:
                    raise NotFoundError(f"{self.path} does not exist; there is no {self.schema.kind} to read")
                self.path.parent.mkdir(parents=True, exist_ok=True)
            elif self.path.is_dir():
                raise StoreError(f"{self.path} is a folder; a {self.schema.kind} is a file")
            elif not self.path.is_file():
                raise StoreError(f"{self.path} is no {self.schema.kind}: it is not an SQLite file")
        except OSError as error:
            raise StoreError(f"cannot open {self.path}: {error.strerror}") from error

    def _connect(self) -> sqlite3.Connection:
        uri = self.path.as_uri() + ("?mode=ro" if self.read_only else "?mode=rwc")
        return sqlite3.connect(
            uri, uri=True, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )

    def _prepare(self, synchronous: Synchronous) -> None:
        self._check_identity()
        self.execute("PRAGMA foreign_keys = ON")
        if self.read_only:
            return
        self._check_pages()
        (mode,) = self.rows("PRAGMA journal_mode = WAL")[0]
        if mode != "wal":
            raise StoreError(f"{self.path} lies on a disk without write-ahead logging; use a local disk")
        self.execute(f"PRAGMA synchronous = {synchronous}")
        with self.transaction():
            self._migrate()

    def _check_identity(self) -> None:
        self.execute("BEGIN")  # one look: another process may be making the tables right now
        (owner,) = self.rows("PRAGMA application_id")[0]
        (version,) = self.rows("PRAGMA user_version")[0]
        (n_objects,) = self.rows("SELECT count(*) FROM sqlite_master")[0]
        self.execute("COMMIT")
        is_new = owner == 0 and version == 0 and n_objects == 0
        if owner != self.schema.application_id and not (is_new and not self.read_only):
            raise StoreError(f"{self.path} is an SQLite file, but no {self.schema.kind} of FluxHero")
        newest = len(self.schema.migrations)
        if version > newest:
            raise StoreError(
                f"{self.path} has version {version}, this FluxHero knows up to {newest}; update FluxHero"
            )

    def _check_pages(self) -> None:
        (verdict,) = self.rows("PRAGMA quick_check(1)")[0]
        if verdict != "ok":
            raise self._damaged(verdict)

    def _migrate(self) -> None:
        (version,) = self.rows("PRAGMA user_version")[0]  # again: another process may have been first
        if version == len(self.schema.migrations):
            return
        for migration in self.schema.migrations[version:]:
            for statement in migration.split(";"):  # `executescript` would commit in between
                self.execute(statement)
        self.execute(f"PRAGMA application_id = {self.schema.application_id}")
        self.execute(f"PRAGMA user_version = {len(self.schema.migrations)}")

    def _roll_back(self) -> None:
        if self._connection.in_transaction:  # a full disk may have rolled back by itself
            with self._plain_errors():
                self._connection.execute("ROLLBACK")

    def _damaged(self, why: object) -> StoreError:
        return StoreError(f"{self.path} is damaged ({why}); restore the {self.schema.kind} from a backup")

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:  # whoever inserts knows what it means
            raise
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname.startswith("SQLITE_BUSY"):
                message = (
                    f"{self.path} is being written by another process for more than {_BUSY_TIMEOUT_S:g} s"
                )
                raise StoreError(message) from error
            raise StoreError(f"cannot use {self.path}: {error}") from error
        except sqlite3.ProgrammingError as error:  # closed already
            raise StoreError(f"cannot use {self.path}: {error}") from error
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorname == "SQLITE_NOTADB":
                raise StoreError(f"{self.path} is no {self.schema.kind}: it is not an SQLite file") from error
            raise self._damaged(error) from error
        except (OverflowError, UnicodeError, sqlite3.InterfaceError) as error:  # a value SQLite cannot hold
            raise StoreError(f"{self.path} cannot hold a value: {error}") from error


def page_clause(limit: int | None, page: int) -> tuple[str, tuple[int, ...]]:
    """The end of a query that returns one page, and its values; no limit is everything.

    Raises
    ------
    StoreError
        If `limit` or `page` is below 1, or a page is asked for without a limit.
    """
    if limit is None:
        if page != 1:
            raise StoreError(f"`page` was {page}, but there are pages only with a `limit`")
        return "", ()
    for name, value in (("limit", limit), ("page", page)):
        if value < 1:
            raise StoreError(f"`{name}` was {value}, must be at least 1")
    return " LIMIT ? OFFSET ?", (limit, (page - 1) * limit)
