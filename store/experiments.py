"""The experiments database: what was run, with which settings, code and data, and what came out.

A number whose settings are lost is worth nothing: an experiment keeps the whole configuration, the version
of the code, the hash of the data and the path of the cube beside its metrics, and is never changed
afterwards.
"""

import datetime as dt
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import msgspec

from ..engine.errors import NotFoundError, StoreError
from .atomic import PathLike
from .database import Database, Schema, page_clause
from .rows import floats_from_json, to_int64, to_json

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["sweep", "backtest", "paper"]
KINDS: tuple[Kind, ...] = ("sweep", "backtest", "paper")

_VERSION_1 = """
CREATE TABLE experiments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('sweep', 'backtest', 'paper')),
    strategy TEXT NOT NULL,
    config TEXT NOT NULL,
    code_version TEXT NOT NULL,
    data_hash TEXT NOT NULL,
    metrics TEXT NOT NULL,
    cube_path TEXT NOT NULL,
    created_ns INTEGER NOT NULL
);
CREATE INDEX experiments_by_name ON experiments (name);
CREATE INDEX experiments_by_time ON experiments (created_ns)
"""

_EXPERIMENTS = Schema(
    kind="experiments database", application_id=0x466C7845, migrations=(_VERSION_1,)
)  # "FlxE"
_COLUMNS = "id, name, kind, strategy, config, code_version, data_hash, metrics, cube_path, created_ns"

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

Time = str | dt.datetime | int


class Experiment(msgspec.Struct, frozen=True):
    """One finished run, as it was recorded."""

    id: int
    name: str
    kind: str  # one of KINDS
    strategy: str
    config: dict[str, Any]
    code_version: str
    data_hash: str
    metrics: dict[str, float]  # NaN: undefined
    cube_path: str  # empty: no cube was kept
    created_ns: int


class Experiments:
    """The experiments database, one SQLite file.

    Parameters
    ----------
    path : path
        The file; made when missing, unless `read_only`.
    read_only : bool
        Only look.

    Raises
    ------
    NotFoundError
        If `read_only` and there is no such file.
    StoreError
        If the file is something else, damaged, or made by a newer version.
    """

    def __init__(self, path: PathLike, *, read_only: bool = False) -> None:
        self._database = Database(path, _EXPERIMENTS, read_only=read_only)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def record_experiment(
        self,
        name: str,
        kind: Kind,
        *,
        strategy: str,
        config: Mapping[str, Any] | msgspec.Struct,
        code_version: str,
        data_hash: str,
        metrics: Mapping[str, float],
        cube_path: PathLike = "",
        created_ns: int | None = None,
    ) -> int:
        """Record a finished run for good and return its id.

        Parameters
        ----------
        name : str
            For people; may occur again.
        kind : "sweep", "backtest" or "paper"
            What was run.
        strategy : str
            Name of the strategy.
        config : mapping or struct
            Snapshot of every setting, as JSON can say it.
        code_version, data_hash : str
            Which code and which data: `fluxhero.__version__` or a commit, and `engine.market.data_hash`.
        metrics : mapping of str to float
            What came out; NaN is undefined.
        cube_path : path, optional
            Where the result cube lies.
        created_ns : int, UTC nanoseconds, optional
            When; default now.

        Raises
        ------
        StoreError
            If a part cannot be stored.
        """
        if kind not in KINDS:
            raise StoreError(f"`kind` was {kind!r}, must be one of {', '.join(KINDS)}")
        if not name:
            raise StoreError("`name` was empty; an experiment has a name")
        row = (
            name,
            kind,
            strategy,
            to_json(config),
            code_version,
            data_hash,
            to_json({metric: float(value) for metric, value in metrics.items()}),
            str(cube_path),
            to_int64(time.time_ns() if created_ns is None else created_ns),
        )
        with self._database.transaction():
            cursor = self._database.execute(
                f"INSERT INTO experiments ({_COLUMNS.removeprefix('id, ')}) VALUES (?{', ?' * 8})", row
            )
            return int(cursor.lastrowid or 0)

    def get(self, experiment_id: int) -> Experiment:
        """One experiment.

        Raises
        ------
        NotFoundError
            If there is none with this id.
        """
        rows = self._database.rows(f"SELECT {_COLUMNS} FROM experiments WHERE id = ?", (experiment_id,))
        if not rows:
            ((n_rows, last),) = self._database.rows("SELECT count(*), max(id) FROM experiments")
            there = f"there are {n_rows}, up to {last}" if n_rows else "there are none"
            raise NotFoundError(f"experiment {experiment_id} does not exist; {there}")
        return _experiment(rows[0])

    def find(
        self,
        *,
        name: str | None = None,
        kind: Kind | None = None,
        strategy: str | None = None,
        start: Time | None = None,
        stop: Time | None = None,
        where: Mapping[str, Any] | None = None,
        limit: int | None = None,
        page: int = 1,
    ) -> list[Experiment]:
        """Experiments that match everything given, newest first.

        Parameters
        ----------
        name : str, optional
            The name, or a part of it; case does not count.
        kind, strategy : str, optional
            Exactly this.
        start, stop : str, datetime or int nanoseconds, UTC, optional
            Recorded from `start` until before `stop`.
        where : mapping, optional
            Values of the configuration by dotted key: ``{"costs.slippage": 0.0001}``.
        limit, page : int, optional
            One page of at most `limit`; the first is page 1.
        """
        conditions: list[tuple[str, Any]] = []
        if name is not None:
            conditions.append(("instr(lower(name), lower(?)) > 0", name))
        if kind is not None:
            conditions.append(("kind = ?", kind))
        if strategy is not None:
            conditions.append(("strategy = ?", strategy))
        if start is not None:
            conditions.append(("created_ns >= ?", _as_ns("start", start)))
        if stop is not None:
            conditions.append(("created_ns < ?", _as_ns("stop", stop)))
        clause = " AND ".join(condition for condition, _ in conditions) or "1"
        sql = f"SELECT {_COLUMNS} FROM experiments WHERE {clause} ORDER BY created_ns DESC, id DESC"
        values = tuple(value for _, value in conditions)
        if not where:
            end, end_values = page_clause(limit, page)
            return [_experiment(row) for row in self._database.rows(sql + end, (*values, *end_values))]
        page_clause(limit, page)  # its checks
        found = [row for row in map(_experiment, self._database.rows(sql, values)) if _matches(row, where)]
        return found if limit is None else found[(page - 1) * limit : page * limit]

    def compare(self, ids: Sequence[int], *, only_differences: bool = False) -> "pd.DataFrame":
        """Experiments side by side.

        Parameters
        ----------
        ids : sequence of int
            Which, in this order.
        only_differences : bool
            Leave out the rows in which all agree.

        Returns
        -------
        DataFrame
            One column per experiment (its id), one row per fact: name, kind, strategy, code version, data
            hash, then ``config.*`` by dotted key, then ``metrics.*``. None where an experiment has no such
            key.

        Raises
        ------
        NotFoundError
            If one does not exist.
        """
        import pandas as pd  # half a second that nobody else here needs

        facts = {experiment_id: _facts(self.get(experiment_id)) for experiment_id in ids}
        keys = list(dict.fromkeys(key for fact in facts.values() for key in fact))
        keys.sort(key=lambda key: (key.startswith("config."), key.startswith("metrics.")))
        table = {experiment_id: [fact.get(key) for key in keys] for experiment_id, fact in facts.items()}
        frame = pd.DataFrame(table, index=keys, columns=list(facts), dtype=object)
        if only_differences:
            frame = frame[[len({repr(value) for value in row}) > 1 for row in frame.to_numpy()]]
        return frame


def _experiment(row: tuple[Any, ...]) -> Experiment:
    experiment_id, name, kind, strategy, config, code_version, data_hash, metrics, cube_path, created_ns = row
    return Experiment(
        id=experiment_id,
        name=name,
        kind=kind,
        strategy=strategy,
        config=json.loads(config),
        code_version=code_version,
        data_hash=data_hash,
        metrics=floats_from_json(metrics),
        cube_path=cube_path,
        created_ns=created_ns,
    )


def _facts(experiment: Experiment) -> dict[str, Any]:
    head = ("name", "kind", "strategy", "code_version", "data_hash")
    facts = {name: getattr(experiment, name) for name in head}
    facts |= {f"config.{key}": value for key, value in _flat(experiment.config)}
    return facts | {f"metrics.{key}": value for key, value in experiment.metrics.items()}


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of a nested mapping by dotted key."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _matches(experiment: Experiment, where: Mapping[str, Any]) -> bool:
    leaves = dict(_flat(experiment.config))
    return all(key in leaves and leaves[key] == value for key, value in where.items())


def _as_ns(name: str, moment: Time) -> int:
    """A moment in UTC nanoseconds; without a zone it is UTC."""
    if isinstance(moment, str):
        try:
            moment = dt.datetime.fromisoformat(moment)
        except ValueError as error:
            raise StoreError(f"`{name}` was {moment!r}, must be a time such as '2024-03-05 14:30'") from error
    if isinstance(moment, dt.datetime):
        aware = moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment
        return (aware - _EPOCH) // dt.timedelta(microseconds=1) * 1000
    return to_int64(moment)
