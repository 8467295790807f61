"""Reports: the ranking of a sweep, tables for the terminal, and the HTML report."""

from .html import trial_of_run, write_report
from .ranking import RankedTrial, Spread, rank_trials, trial_spread
from .terminal import ranked_table, symbol_table

__all__ = [
    "RankedTrial",
    "Spread",
    "rank_trials",
    "ranked_table",
    "symbol_table",
    "trial_of_run",
    "trial_spread",
    "write_report",
]
