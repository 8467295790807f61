"""What there is to work with: strategies, markets, results."""

from litestar import get
from litestar.params import FromPath

from ..schemas import DataListing, StrategyDocument, StrategySummary
from .reading import AppService


@get("/api/strategies", sync_to_thread=True, tags=["catalog"])
def list_strategies(service: AppService) -> list[StrategySummary]:
    """All strategies: those that come with FluxHero, and the files of the strategies folder."""
    return service.strategy_summaries()


@get("/api/strategies/{name:str}", sync_to_thread=True, tags=["catalog"])
def show_strategy(service: AppService, name: FromPath[str]) -> StrategyDocument:
    """One strategy: its parameters with defaults, bounds and units as a JSON schema, features, reasons."""
    return service.strategy_document(name)


@get("/api/markets", sync_to_thread=True, tags=["catalog"])
def list_markets(service: AppService) -> DataListing:
    """Markets that a request can name, results that lie in the data folder, and what is broken there."""
    return service.data.listing()
