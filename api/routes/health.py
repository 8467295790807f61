"""Whether the server lives; needs no token and touches nothing that could be slow."""

from litestar import get

from ... import __version__
from ..schemas import Health
from .reading import AppService


@get("/api/health", sync_to_thread=False, tags=["server"], security=[{}])
def health(service: AppService) -> Health:
    """Whether the server lives, since when, and how busy it is."""
    return Health("ok", __version__, round(service.uptime_s(), 3), service.jobs.counts())
