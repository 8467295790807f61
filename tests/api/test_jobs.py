"""The job queue: order, progress, cancelling, stopping, and what a restart finds."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fluxhero.api.job_log import Job, JobLog
from fluxhero.api.jobs import JobQueue, Report
from fluxhero.api.problems import Problem
from fluxhero.engine.errors import DataError, NotFoundError, StoreError

WAIT_S = 10.0
REQUEST = {"strategy": "cross", "market": "tiny"}


class Stage:
    """Work that waits for its cue, so that a test decides when a job goes on."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.cue = threading.Event()
        self.reports = [(5, 10, 0.5)]
        self.error: BaseException | None = None
        self.seen: list[str] = []

    def __call__(self, job: Job, report: Report) -> None:
        self.seen.append(job.id)
        for numbers in self.reports:
            report(*numbers)
        self.started.set()
        assert self.cue.wait(WAIT_S)
        if self.error is not None:
            raise self.error
        report(10, 10, 1.0)


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def open_queue(tmp_path: Path, stage: Stage) -> Iterator[Callable[..., JobQueue]]:
    opened: list[JobQueue] = []

    def make(**more: Any) -> JobQueue:
        log = JobLog(tmp_path / "jobs.sqlite")
        queue = JobQueue(log, {"sweep": stage, "backtest": stage}, **{"max_waiting": 3, **more})
        opened.append(queue)
        return queue

    yield make
    stage.cue.set()
    for queue in opened:
        queue.close()


@pytest.fixture
def queue(open_queue: Callable[..., JobQueue]) -> JobQueue:
    return open_queue()


def submit(queue: JobQueue) -> str:
    return queue.submit("sweep", REQUEST, n_trials=6).id


def state(queue: JobQueue, job_id: str) -> str:
    return queue.wait(job_id, "sweep", timeout_s=WAIT_S).state


def test_job_runs_and_is_done(queue: JobQueue, stage: Stage) -> None:
    stage.cue.set()
    view = queue.wait(submit(queue), "sweep", timeout_s=WAIT_S)
    assert (view.state, view.error, view.n_trials) == ("done", None, 6)
    assert view.progress is not None
    assert (view.progress.done, view.progress.total, view.progress.fraction) == (10, 10, 1.0)
    assert view.created <= str(view.started) <= str(view.finished)
    assert view.request == REQUEST


def test_running_job_tells_rate_and_time_left(queue: JobQueue, stage: Stage) -> None:
    stage.reports = [(4, 10, 2.0)]
    job_id = submit(queue)
    stage.started.wait(WAIT_S)
    view = queue.view(job_id, "sweep")
    assert view.state == "running"
    assert view.progress is not None
    assert (view.progress.rate_per_s, view.progress.left_s) == (2.0, 3.0)


def test_one_job_runs_at_a_time_in_the_order_of_asking(queue: JobQueue, stage: Stage) -> None:
    ids = [submit(queue) for _ in range(3)]
    stage.started.wait(WAIT_S)
    positions = [queue.view(job_id, "sweep").queue_position for job_id in ids]
    assert positions == [None, 1, 2]
    assert queue.counts().running == 1
    assert queue.counts().queued == 2
    stage.cue.set()
    assert [state(queue, job_id) for job_id in ids] == ["done"] * 3
    assert stage.seen == ids


def test_full_queue_refuses(queue: JobQueue, stage: Stage) -> None:
    submit(queue)
    stage.started.wait(WAIT_S)
    for _ in range(3):
        submit(queue)
    with pytest.raises(Problem, match="3 jobs wait already") as caught:
        submit(queue)
    assert caught.value.status == 429


def test_cancelling_a_waiting_job_ends_it_at_once(queue: JobQueue, stage: Stage) -> None:
    first, second = submit(queue), submit(queue)
    stage.started.wait(WAIT_S)
    assert queue.cancel(second, "sweep").state == "cancelled"
    stage.cue.set()
    assert state(queue, first) == "done"
    assert stage.seen == [first]


def test_cancelling_a_running_job_stops_it_at_its_next_report(queue: JobQueue, stage: Stage) -> None:
    job_id = submit(queue)
    stage.started.wait(WAIT_S)
    assert queue.cancel(job_id, "sweep").cancel_requested
    stage.cue.set()
    view = queue.wait(job_id, "sweep", timeout_s=WAIT_S)
    assert (view.state, view.error, view.cancel_requested) == ("cancelled", None, False)


def test_cancelling_twice_is_no_error(queue: JobQueue, stage: Stage) -> None:
    submit(queue)
    stage.started.wait(WAIT_S)
    second = submit(queue)
    queue.cancel(second, "sweep")
    assert queue.cancel(second, "sweep").state == "cancelled"


def test_cancelling_a_finished_job_is_refused(queue: JobQueue, stage: Stage) -> None:
    stage.cue.set()
    job_id = submit(queue)
    assert state(queue, job_id) == "done"
    with pytest.raises(Problem, match="this sweep is done") as caught:
        queue.cancel(job_id, "sweep")
    assert caught.value.status == 409


@pytest.mark.parametrize("kind", ["sweep", "backtest"])
def test_unknown_job_is_not_found(queue: JobQueue, kind: Any) -> None:
    for ask in (queue.view, queue.cancel, queue.get):
        with pytest.raises(NotFoundError, match=f"no {kind} with this id"):
            ask("nobody", kind)


def test_job_of_one_kind_is_not_found_under_the_other(queue: JobQueue, stage: Stage) -> None:
    job_id = submit(queue)
    with pytest.raises(NotFoundError):
        queue.view(job_id, "backtest")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (DataError("/srv/bars/data/spy.zarr has no bars"), "spy.zarr has no bars"),
        (MemoryError(), "not enough memory"),
        (ZeroDivisionError("secret detail"), "an error that nobody foresaw"),
        (NotImplementedError("/etc/secret"), "an error that nobody foresaw"),
        (SystemExit("/etc/secret"), "an error that nobody foresaw"),
    ],
)
def test_failed_job_says_why_and_the_next_one_runs(
    queue: JobQueue, stage: Stage, error: BaseException, told: str
) -> None:
    stage.error = error
    stage.cue.set()
    failed = queue.wait(submit(queue), "sweep", timeout_s=WAIT_S)
    assert failed.state == "failed"
    assert told in str(failed.error)
    assert "ann" not in str(failed.error)
    assert "secret" not in str(failed.error)
    stage.error = None
    assert state(queue, submit(queue)) == "done"


def test_unforeseen_error_is_in_the_log_under_its_id(
    queue: JobQueue, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.error = ZeroDivisionError("the detail")
    stage.cue.set()
    failed = queue.wait(submit(queue), "sweep", timeout_s=WAIT_S)
    error_id = str(failed.error).rpartition(" ")[2]
    (record,) = [record for record in caplog.records if error_id in record.getMessage()]
    assert record.exc_info is not None
    assert "the detail" in str(record.exc_info[1])


def test_closing_interrupts_what_runs_and_what_waits(
    open_queue: Callable[..., JobQueue], stage: Stage
) -> None:
    queue = open_queue()
    ids = [submit(queue), submit(queue)]
    stage.started.wait(WAIT_S)
    closing = threading.Thread(target=queue.close)
    closing.start()
    stage.cue.set()
    closing.join(WAIT_S)
    again = open_queue()
    assert [again.view(job_id, "sweep").state for job_id in ids] == ["interrupted", "interrupted"]
    assert "the server stopped" in str(again.view(ids[0], "sweep").error)


def test_closing_writes_off_a_job_that_cannot_be_stopped(
    open_queue: Callable[..., JobQueue], stage: Stage
) -> None:
    queue = open_queue()
    job_id = submit(queue)
    stage.started.wait(WAIT_S)
    queue.close(timeout_s=0.05)  # the job still waits for its cue
    assert open_queue().view(job_id, "sweep").state == "interrupted"


def test_closed_queue_takes_nothing(queue: JobQueue) -> None:
    queue.close()
    with pytest.raises(Problem, match="stopping") as caught:
        submit(queue)
    assert caught.value.status == 503


def test_restart_after_a_kill_finds_nothing_running(
    tmp_path: Path, open_queue: Callable[..., JobQueue]
) -> None:
    log = JobLog(tmp_path / "jobs.sqlite")
    for name, job_state in (("a", "running"), ("b", "queued"), ("c", "done"), ("d", "failed")):
        log.add(Job(name, "sweep", job_state, REQUEST, 1, 1_000))  # type: ignore[arg-type]
    log.close()
    queue = open_queue(now_ns=lambda: 5_000_000_000)
    states = {view.id: view.state for view in queue.views("sweep", limit=10, page=1)[0]}
    assert states == {"a": "interrupted", "b": "interrupted", "c": "done", "d": "failed"}
    assert queue.view("a", "sweep").finished == "1970-01-01T00:00:05.000Z"
    assert queue.counts().running == 0


def test_restart_finds_a_result_whose_word_was_missing(
    tmp_path: Path, open_queue: Callable[..., JobQueue]
) -> None:
    log = JobLog(tmp_path / "jobs.sqlite")
    log.add(Job("whole", "sweep", "running", REQUEST, 1, 1_000))
    log.close()
    view = open_queue(has_result=lambda job: job.id == "whole").view("whole", "sweep")
    assert (view.state, view.error) == ("done", None)


def test_jobs_are_listed_newest_first_by_page(queue: JobQueue, stage: Stage) -> None:
    stage.cue.set()
    ids = []
    for _ in range(3):
        ids.append(submit(queue))
        state(queue, ids[-1])
    pages = [queue.views("sweep", limit=2, page=page) for page in (1, 2, 3)]
    assert [[view.id for view in views] for views, _ in pages] == [[ids[2], ids[1]], [ids[0]], []]
    assert {total for _, total in pages} == {3}


def test_state_that_the_log_cannot_take_is_kept_in_memory(
    queue: JobQueue, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit(queue)
    stage.started.wait(WAIT_S)

    def full(_: Job) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(queue._log, "update", full)
    stage.cue.set()
    assert state(queue, job_id) == "done"


def test_changes_tell_what_runs_and_what_has_ended(queue: JobQueue, stage: Stage) -> None:
    job_id = submit(queue)
    stage.started.wait(WAIT_S)
    seen, active, ended = queue.changes(0)
    assert ([view.id for view in active], ended) == ([job_id], [])
    stage.cue.set()
    state(queue, job_id)
    later, active, ended = queue.changes(seen)
    assert (active, [(view.id, view.state) for view in ended]) == ([], [(job_id, "done")])
    assert queue.changes(later) == (later, [], [])


def test_a_job_that_comes_and_goes_between_two_looks_is_told(queue: JobQueue, stage: Stage) -> None:
    seen, _, _ = queue.changes(0)
    stage.cue.set()
    job_id = submit(queue)
    state(queue, job_id)
    _, _, ended = queue.changes(seen)
    assert [view.id for view in ended] == [job_id]
