"""The addresses of the HTTP API, one subject a file. They read a request, ask the service, and answer."""

from . import backtests, catalog, health, sweeps

API_ROUTES = (
    health.health,
    catalog.list_strategies,
    catalog.show_strategy,
    catalog.list_markets,
    sweeps.start_sweep,
    sweeps.list_sweeps,
    sweeps.show_sweep,
    sweeps.cancel_sweep,
    sweeps.slice_result,
    sweeps.rank_result,
    sweeps.replay_cell,
    backtests.start_backtest,
    backtests.list_backtests,
    backtests.show_backtest,
    backtests.cancel_backtest,
    backtests.show_metrics,
    backtests.show_detail,
)
