"""Jobs: long work behind short requests, one at a time, in the order of asking.

One worker thread takes jobs off a queue. What a job does is a function that knows nothing of queues; it
tells its progress to a callback, and the callback raises when the job was cancelled or the server stops.
Every change of state is in the log before anybody can see it, and the log alone says what happened.
"""

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from ..engine.errors import FluxHeroError, StoreError
from .job_log import INTERRUPTED, Job, JobLog
from .problems import Problem, log_unforeseen, without_paths
from .schemas import JobCounts, JobView, Kind, ProgressView, State

_REMEMBERED = 200  # ended jobs that a watcher can still be told of
_log = logging.getLogger("fluxhero.jobs")

Report = Callable[[int, int, float], None]  # bars x trials done, in all, and seconds since the start
Work = Callable[[Job, Report], None]


class _Stopped(Exception):
    """Ends a job's work from within its progress callback."""


class JobQueue:
    """The queue, its worker and its log.

    Parameters
    ----------
    log : JobLog
        Where states are kept; closed with the queue.
    work : mapping of kind to callable
        What a job does: keeps its result and returns, or raises.
    max_waiting : int
        Jobs that may wait; more are refused.
    has_result : callable
        Whether the result of a job that an earlier server left behind is on disk.
    now_ns : callable
        UTC nanoseconds.
    """

    def __init__(
        self,
        log: JobLog,
        work: Mapping[Kind, Work],
        *,
        max_waiting: int,
        has_result: Callable[[Job], bool] = lambda _: False,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._log = log
        self._work = work
        self._max_waiting = max_waiting
        self._now_ns = now_ns
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._running: Job | None = None
        self._over: deque[tuple[int, str, Kind]] = deque(maxlen=_REMEMBERED)
        self._unwritten: dict[str, Job] = {}  # states that the log could not take
        self._elapsed_s = 0.0
        self._stop: Literal["cancelled", "interrupted"] | None = None  # what the running job shall become
        self._is_closed = False
        for job in log.recover(has_result, now_ns()):
            _log.info("job settled after a stop", extra={"context": {"job": job.id, "state": job.state}})
        self.version = 0  # grows with every change that a watcher may want to see
        self._thread = threading.Thread(target=self._serve, name="fluxhero-jobs", daemon=True)
        self._thread.start()

    # ---- for routes, from any thread

    def submit(self, kind: Kind, request: Mapping[str, Any], *, n_trials: int) -> Job:
        """Enter a job into log and queue.

        Raises
        ------
        Problem
            429 if too many jobs wait already, 503 if the server is stopping.
        """
        with self._changed:
            if self._is_closed:
                raise Problem(503, "the server is stopping")
            if len(self._waiting) >= self._max_waiting:
                raise Problem(429, f"{len(self._waiting)} jobs wait already; try again when some are done")
            now_ns = self._now_ns()
            job = Job(_new_id(now_ns), kind, "queued", dict(request), n_trials, now_ns)
            self._log.add(job)
            self._waiting.append(job)
            self._tell()
        return job

    def cancel(self, job_id: str, kind: Kind) -> JobView:
        """Cancel a job: at once while it waits, at its next sign of progress while it runs.

        Raises
        ------
        NotFoundError
            If there is no such job.
        Problem
            409 if it is over.
        """
        with self._changed:
            job = self._log.get(job_id, kind)
            if self._running is not None and self._running.id == job_id:
                self._stop = self._stop or "cancelled"
            elif job.state == "queued":
                self._waiting = deque(other for other in self._waiting if other.id != job_id)
                self._log.update(self._ended(job, "cancelled"))
            elif job.state != "cancelled":
                raise Problem(
                    409, f"this {kind} is {job.state}; only one that waits or runs can be cancelled"
                )
            self._tell()
        return self.view(job_id, kind)

    def get(self, job_id: str, kind: Kind) -> Job:
        """A job as the log has it."""
        return self._log.get(job_id, kind)

    def view(self, job_id: str, kind: Kind) -> JobView:
        """A job as a client sees it."""
        with self._changed:
            return self._view(self._log.get(job_id, kind))

    def views(self, kind: Kind, *, limit: int, page: int) -> tuple[list[JobView], int]:
        """One page of jobs, newest first, and how many there are in all."""
        with self._changed:
            jobs, total = self._log.find(kind, limit=limit, page=page)
            return [self._view(job) for job in jobs], total

    def changes(self, seen: int) -> tuple[int, list[JobView], list[JobView]]:
        """The version now; the running job and those that wait; and those that ended after version `seen`.

        A job may come and go between two looks: what ended is remembered, not worked out from what was seen.
        """
        with self._changed:
            jobs = [*([self._running] if self._running else []), *self._waiting]
            over = [self.view(job_id, kind) for version, job_id, kind in self._over if version > seen]
            return self.version, [self._view(job) for job in jobs], over

    def wait(self, job_id: str, kind: Kind, *, timeout_s: float) -> JobView:
        """Wait until a job is over, or for some seconds, and return it as it is then."""
        with self._changed:
            self._changed.wait_for(
                lambda: self.view(job_id, kind).state not in ("queued", "running"), timeout_s
            )
            return self.view(job_id, kind)

    def counts(self) -> JobCounts:
        """How many jobs run and wait."""
        return JobCounts(running=int(self._running is not None), queued=len(self._waiting))

    def close(self, timeout_s: float = 3.0) -> bool:
        """Stop: nothing new is taken, what waits or runs becomes "interrupted", the log is closed.

        Returns
        -------
        bool
            Whether the worker has ended. A compilation cannot be told to stop, and goes on until it is done.
        """
        with self._changed:
            if self._is_closed:
                return not self._thread.is_alive()
            self._is_closed = True
            self._stop = self._stop or "interrupted"
            for job in self._waiting:
                self._log.update(self._ended(job, "interrupted", INTERRUPTED))
            self._waiting.clear()
            self._tell()
        self._thread.join(timeout_s)
        with self._changed:
            if self._running is not None:
                self._log.update(self._ended(self._running, "interrupted", INTERRUPTED))
                self._running = None
            self._log.close()
        return not self._thread.is_alive()

    # ---- the worker

    def _serve(self) -> None:
        while (job := self._next()) is not None:
            state, error = self._do(job)
            self._end(state, error)

    def _next(self) -> Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            if self._is_closed:
                return None
            job = self._waiting.popleft()
            self._stop, self._elapsed_s = None, 0.0
            self._running = msgspec.structs.replace(job, state="running", started_ns=self._now_ns())
            self._write(self._running)
            self._tell()
            return self._running

    def _do(self, job: Job) -> tuple[State, str | None]:
        """Do a job's work and say how it ended."""
        _log.info("job started", extra={"context": {"job": job.id, "kind": job.kind}})
        try:
            self._work[job.kind](job, self._report)
        except _Stopped:
            with self._changed:
                stop = self._stop or "cancelled"
            return stop, INTERRUPTED if stop == "interrupted" else None
        except FluxHeroError as error:
            return "failed", without_paths(str(error))
        except MemoryError as error:
            log_unforeseen(error, f"{job.kind} {job.id}")
            return "failed", "not enough memory; sweep fewer trials or symbols at once"
        except BaseException as error:  # whatever it is, SystemExit too: the next job must run
            error_id = log_unforeseen(error, f"{job.kind} {job.id}")
            return "failed", f"an error that nobody foresaw; the server's log has it as {error_id}"
        return "done", None

    def _report(self, done: int, total: int, elapsed_s: float) -> None:
        with self._changed:
            if self._stop is not None or self._running is None:
                raise _Stopped
            if (done, total) != (self._running.done, self._running.total):
                self._running = msgspec.structs.replace(self._running, done=done, total=total)
                self._tell()
            self._elapsed_s = elapsed_s

    def _end(self, state: State, error: str | None) -> None:
        with self._changed:
            if self._running is None:  # written off by `close`
                return
            ended = self._ended(self._running, state, error)
            self._running = None
            self._write(ended)
            self._tell()
        context = {"job": ended.id, "kind": ended.kind, "state": state, "error": error}
        _log.info("job ended", extra={"context": context})

    def _write(self, job: Job) -> None:
        """Log a state; if the disk is full, memory stands in for the log until a restart."""
        try:
            self._log.update(job)
            self._unwritten.pop(job.id, None)
        except StoreError as error:
            self._unwritten[job.id] = job
            _log.error("job log cannot be written", extra={"context": {"job": job.id, "error": str(error)}})

    # ---- within

    def _ended(self, job: Job, state: State, error: str | None = None) -> Job:
        self._over.append((self.version + 1, job.id, job.kind))
        return msgspec.structs.replace(job, state=state, finished_ns=self._now_ns(), error=error)

    def _tell(self) -> None:
        self.version += 1
        self._changed.notify_all()

    def _view(self, job: Job) -> JobView:
        is_running = self._running is not None and self._running.id == job.id
        current = (
            self._running if is_running and self._running is not None else self._unwritten.get(job.id, job)
        )
        position = next((i for i, other in enumerate(self._waiting, 1) if other.id == job.id), None)
        return JobView(
            id=job.id,
            kind=job.kind,
            state=current.state,
            strategy=str(job.request.get("strategy", "")),
            market=str(job.request.get("market", "")),
            n_trials=job.n_trials,
            created=iso_time(job.created_ns),
            started=None if current.started_ns is None else iso_time(current.started_ns),
            finished=None if current.finished_ns is None else iso_time(current.finished_ns),
            queue_position=position,
            cancel_requested=is_running and self._stop == "cancelled",
            progress=self._progress(current, is_running=is_running),
            error=current.error,
            request=job.request,
        )

    def _progress(self, job: Job, *, is_running: bool) -> ProgressView | None:
        if job.total == 0 or job.started_ns is None:
            return None
        fraction = job.done / job.total
        if not is_running:  # how long it took, compilation included
            elapsed_s = ((job.finished_ns or job.started_ns) - job.started_ns) / 1e9
            return ProgressView(job.done, job.total, fraction, elapsed_s, None, None)
        elapsed_s = self._elapsed_s
        rate = job.done / elapsed_s if elapsed_s > 0.0 and job.done else None
        left_s = (job.total - job.done) / rate if rate else None
        return ProgressView(job.done, job.total, fraction, elapsed_s, rate, left_s)


def _new_id(now_ns: int) -> str:
    """An id that sorts by time and that nobody has to quote in a file's name."""
    return f"{datetime.fromtimestamp(now_ns // 1_000_000_000, UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"


def iso_time(ts_ns: int) -> str:
    """UTC nanoseconds as ISO 8601 to the millisecond."""
    seconds, rest_ns = divmod(ts_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns // 1_000_000:03d}Z"
