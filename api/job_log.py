"""The record of every job, on disk: what was asked, what became of it.

One row per job in one SQLite file of the data folder. A state is written before it is acted on, so whatever
is still "queued" or "running" when the file is opened belongs to a server that died: it becomes
"interrupted", or "done" where its result was finished and only the word was missing.
"""

import json
from collections.abc import Callable
from typing import Any

import msgspec

from ..engine.errors import NotFoundError
from ..store.atomic import PathLike
from ..store.database import Database, Schema, page_clause
from .schemas import Kind, State

_VERSION_1 = """
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('sweep', 'backtest')),
    state TEXT NOT NULL
        CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled', 'interrupted')),
    request TEXT NOT NULL,
    n_trials INTEGER NOT NULL,
    created_ns INTEGER NOT NULL,
    started_ns INTEGER,
    finished_ns INTEGER,
    done INTEGER NOT NULL,
    total INTEGER NOT NULL,
    error TEXT
);
CREATE INDEX jobs_by_time ON jobs (kind, created_ns)
"""
_SCHEMA = Schema(kind="job log", application_id=0x466C784A, migrations=(_VERSION_1,))  # "FlxJ"
_COLUMNS = "id, kind, state, request, n_trials, created_ns, started_ns, finished_ns, done, total, error"


class Job(msgspec.Struct, frozen=True):
    """One job as it stands in the log."""

    id: str
    kind: Kind
    state: State
    request: dict[str, Any]  # as it was sent
    n_trials: int
    created_ns: int  # UTC
    started_ns: int | None = None
    finished_ns: int | None = None
    done: int = 0  # bars x trials
    total: int = 0
    error: str | None = None  # in plain words


class JobLog:
    """The log of one data folder; its methods may be called from any thread.

    Raises
    ------
    StoreError
        If the file is something else, damaged, or cannot be written.
    """

    def __init__(self, path: PathLike) -> None:
        self._database = Database(path, _SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def add(self, job: Job) -> None:
        """Enter a new job."""
        values = msgspec.structs.astuple(msgspec.structs.replace(job, request=json.dumps(job.request)))
        with self._database.transaction():
            self._database.execute(f"INSERT INTO jobs ({_COLUMNS}) VALUES (?{', ?' * 10})", values)

    def update(self, job: Job) -> None:
        """Write what has changed of a job."""
        with self._database.transaction():
            self._database.execute(
                "UPDATE jobs SET state = ?, started_ns = ?, finished_ns = ?, done = ?, total = ?, error = ? "
                "WHERE id = ?",
                (job.state, job.started_ns, job.finished_ns, job.done, job.total, job.error, job.id),
            )

    def get(self, job_id: str, kind: Kind) -> Job:
        """One job.

        Raises
        ------
        NotFoundError
            If there is no such job.
        """
        sql = f"SELECT {_COLUMNS} FROM jobs WHERE id = ? AND kind = ?"
        rows = self._database.rows(sql, (job_id, kind))
        if not rows:
            raise NotFoundError(f"there is no {kind} with this id; /api/{kind}s lists those that there are")
        return _job(rows[0])

    def find(self, kind: Kind, *, limit: int, page: int) -> tuple[list[Job], int]:
        """One page of jobs, newest first, and how many there are in all."""
        ((total,),) = self._database.rows("SELECT count(*) FROM jobs WHERE kind = ?", (kind,))
        end, values = page_clause(limit, page)
        sql = f"SELECT {_COLUMNS} FROM jobs WHERE kind = ? ORDER BY created_ns DESC, id DESC{end}"
        return [_job(row) for row in self._database.rows(sql, (kind, *values))], total

    def recover(self, has_result: Callable[[Job], bool], now_ns: int) -> list[Job]:
        """Settle what a server that died has left, and return it.

        Parameters
        ----------
        has_result : callable
            Whether a job's result lies on disk, whole.
        now_ns : int
            UTC nanoseconds.
        """
        sql = f"SELECT {_COLUMNS} FROM jobs WHERE state IN ('queued', 'running', 'interrupted')"
        settled = []
        for job in map(_job, self._database.rows(sql)):
            state: State = "done" if has_result(job) else "interrupted"
            if state != job.state:
                error = None if state == "done" else INTERRUPTED
                settled.append(
                    msgspec.structs.replace(
                        job, state=state, finished_ns=job.finished_ns or now_ns, error=error
                    )
                )
        with self._database.transaction():
            for job in settled:
                self.update(job)
        return settled


INTERRUPTED = "the server stopped before this was done; send the request again to run it"


def _job(row: tuple[Any, ...]) -> Job:
    job_id, kind, state, request, *numbers = row
    return Job(job_id, kind, state, json.loads(request), *numbers)
