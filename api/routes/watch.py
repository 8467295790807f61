"""A websocket that tells of jobs as they change, so that nobody has to ask again and again."""

from typing import Any

import anyio
import msgspec
from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect

from ..gate import WEBSOCKET_PROTOCOL
from ..service import Service
from .reading import AppService

_PAUSE_S = 0.25  # a watcher sees at most four messages a second


@websocket("/ws/jobs")
async def watch_jobs(socket: WebSocket[Any, Any, Any], service: AppService) -> None:
    """Send ``{"jobs": [...]}`` now and at every change: jobs that wait or run, and those that just ended."""
    offered = socket.scope["subprotocols"]
    await socket.accept(subprotocols=WEBSOCKET_PROTOCOL if WEBSOCKET_PROTOCOL in offered else None)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_send_changes, socket, service)
        try:
            while True:  # nothing is expected: this only notices that the client has gone
                await socket.receive_data(mode="text")
        except WebSocketDisconnect:
            tasks.cancel_scope.cancel()


async def _send_changes(socket: WebSocket[Any, Any, Any], service: Service) -> None:
    is_first, seen = True, service.jobs.version
    while True:
        if is_first or service.jobs.version != seen:
            is_first = False
            seen, active, ended = await anyio.to_thread.run_sync(service.jobs.changes, seen)
            await socket.send_data(msgspec.json.encode({"jobs": [*active, *ended]}), mode="text")
        await anyio.sleep(_PAUSE_S)
