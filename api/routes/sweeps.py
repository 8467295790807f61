"""Sweeps: start, watch, cancel, and look at what came out."""

from typing import Annotated, Any, Literal

from litestar import Request, Response, delete, get, post
from litestar.params import FromPath, QueryParameter, RawBody

from ..schemas import JobPage, JobView, RankingView, RunView, SliceView, SweepRequest, read_body
from .reading import AppService, Limit, Page, Parts, Points, read_axes, read_parts

_ANY_AXIS = {"any_query": True}


@post("/api/sweeps", status_code=202, sync_to_thread=True, tags=["sweeps"], opt={"body": SweepRequest})
def start_sweep(service: AppService, body: RawBody) -> Response[JobView]:
    """Put a sweep into the queue; its address is in the header `Location`."""
    job = service.submit_sweep(read_body(body, SweepRequest))
    return Response(job, status_code=202, headers={"location": f"/api/sweeps/{job.id}"})


@get("/api/sweeps", sync_to_thread=True, tags=["sweeps"])
def list_sweeps(service: AppService, limit: Limit = 20, page: Page = 1) -> JobPage:
    """All sweeps that this server was asked for, newest first."""
    items, total = service.jobs.views("sweep", limit=limit, page=page)
    return JobPage(items, total, limit, page)


@get("/api/sweeps/{sweep_id:str}", sync_to_thread=True, tags=["sweeps"])
def show_sweep(service: AppService, sweep_id: FromPath[str]) -> JobView:
    """A sweep's state and progress."""
    return service.jobs.view(sweep_id, "sweep")


@delete("/api/sweeps/{sweep_id:str}", status_code=202, sync_to_thread=True, tags=["sweeps"])
def cancel_sweep(service: AppService, sweep_id: FromPath[str]) -> JobView:
    """Cancel a sweep: at once while it waits, within moments while it runs (a compilation ends first)."""
    return service.jobs.cancel(sweep_id, "sweep")


@get("/api/sweeps/{sweep_id:str}/result", sync_to_thread=True, tags=["sweeps"], opt=_ANY_AXIS)
def slice_result(
    request: Request[Any, Any, Any],
    service: AppService,
    sweep_id: FromPath[str],
    metric: Annotated[str, QueryParameter(description="such as sharpe_ratio")],
    axes: Annotated[
        str | None, QueryParameter(description="axes to keep, with commas; default: all not held")
    ] = None,
) -> SliceView:
    """A slice of the result cube; every other axis is held by a parameter of its name: `entry_atr=0.5`.

    Undefined numbers (NaN) and infinite ones are null.
    """
    held = read_axes(request, ("metric", "axes"))
    kept = None if axes is None else [name for name in axes.split(",") if name]
    return service.slice(sweep_id, metric=metric, axes=kept, fixed=held)


@get("/api/sweeps/{sweep_id:str}/ranking", sync_to_thread=True, tags=["sweeps"], opt=_ANY_AXIS)
def rank_result(
    request: Request[Any, Any, Any],
    service: AppService,
    sweep_id: FromPath[str],
    by: Annotated[str, QueryParameter(description="a metric")] = "sharpe_ratio",
    top: Annotated[int, QueryParameter(ge=1, le=1_000, description="how many cells")] = 20,
    order: Annotated[Literal["desc", "asc"], QueryParameter(description="desc: the largest first")] = "desc",
) -> RankingView:
    """The first cells by a metric, with everything measured there; axes may be held as in a slice."""
    held = read_axes(request, ("by", "top", "order"))
    return service.ranking(sweep_id, by=by, top=top, order=order, fixed=held)


@get("/api/sweeps/{sweep_id:str}/replay", sync_to_thread=True, tags=["sweeps"], opt=_ANY_AXIS)
def replay_cell(
    request: Request[Any, Any, Any],
    service: AppService,
    sweep_id: FromPath[str],
    symbol: Annotated[str | None, QueryParameter(description="may be left out where there is one")] = None,
    market: Annotated[
        str | None, QueryParameter(description="default: the one that the sweep was asked for")
    ] = None,
    parts: Parts = None,
    points: Points = 1_000,
    limit: Limit = 100,
    page: Page = 1,
) -> RunView:
    """One cell in full detail: equity, trades, orders, fills, decisions; axes are held as in a slice."""
    held = read_axes(request, ("symbol", "market", "parts", "points", "limit", "page"))
    wanted = {"parts": read_parts(parts), "points": points, "limit": limit, "page": page}
    return service.replay(sweep_id, symbol=symbol, cell=held, market=market, **wanted)
