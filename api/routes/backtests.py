"""Backtests: one set of parameters, as a job like a sweep, with every order and decision afterwards."""

from typing import Annotated

from litestar import Response, delete, get, post
from litestar.params import FromPath, QueryParameter, RawBody

from ..schemas import BacktestRequest, BacktestResult, JobPage, JobView, RunView, read_body
from .reading import AppService, Limit, Page, Parts, Points, read_parts


@post(
    "/api/backtests", status_code=202, sync_to_thread=True, tags=["backtests"], opt={"body": BacktestRequest}
)
def start_backtest(service: AppService, body: RawBody) -> Response[JobView]:
    """Put a backtest into the queue; its address is in the header `Location`."""
    job = service.submit_backtest(read_body(body, BacktestRequest))
    return Response(job, status_code=202, headers={"location": f"/api/backtests/{job.id}"})


@get("/api/backtests", sync_to_thread=True, tags=["backtests"])
def list_backtests(service: AppService, limit: Limit = 20, page: Page = 1) -> JobPage:
    """All backtests that this server was asked for, newest first."""
    items, total = service.jobs.views("backtest", limit=limit, page=page)
    return JobPage(items, total, limit, page)


@get("/api/backtests/{backtest_id:str}", sync_to_thread=True, tags=["backtests"])
def show_backtest(service: AppService, backtest_id: FromPath[str]) -> JobView:
    """A backtest's state."""
    return service.jobs.view(backtest_id, "backtest")


@delete("/api/backtests/{backtest_id:str}", status_code=202, sync_to_thread=True, tags=["backtests"])
def cancel_backtest(service: AppService, backtest_id: FromPath[str]) -> JobView:
    """Cancel a backtest: at once while it waits; one that runs ends first, and its result is not kept."""
    return service.jobs.cancel(backtest_id, "backtest")


@get("/api/backtests/{backtest_id:str}/result", sync_to_thread=True, tags=["backtests"])
def show_metrics(service: AppService, backtest_id: FromPath[str]) -> BacktestResult:
    """Metrics of each symbol. Undefined numbers (NaN) and infinite ones are null."""
    return service.backtest_metrics(backtest_id)


@get("/api/backtests/{backtest_id:str}/replay", sync_to_thread=True, tags=["backtests"])
def show_detail(
    service: AppService,
    backtest_id: FromPath[str],
    symbol: Annotated[str | None, QueryParameter(description="may be left out where there is one")] = None,
    parts: Parts = None,
    points: Points = 1_000,
    limit: Limit = 100,
    page: Page = 1,
) -> RunView:
    """One symbol in full detail: equity, trades, orders, fills, decisions."""
    wanted = {"parts": read_parts(parts), "points": points, "limit": limit, "page": page}
    return service.backtest_detail(backtest_id, symbol=symbol, **wanted)
