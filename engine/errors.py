"""Everything FluxHero refuses, as one family.

FluxHeroError
├── DataError (ValueError)       bars, files, cubes: names the source, the row, the value, what is allowed
├── ConfigError (ValueError)     settings: names the file, the key, the value, what is allowed
├── StrategyError (ValueError)   a strategy file that cannot be used, or that looks ahead
├── ParameterError (ValueError)  an axis or a parameter: names it, its value and its bounds
├── NotFoundError (LookupError)  a strategy, symbol, run or cube that does not exist: lists what does
├── StoreError (RuntimeError)    a cube or a ledger on disk that cannot be read or must not be overwritten
└── BrokerError (RuntimeError)   a venue refused, or its answer is unknown
"""


class FluxHeroError(Exception):
    """Base of every error that FluxHero raises on purpose."""


class DataError(FluxHeroError, ValueError):
    """Market data that is impossible, unordered, ambiguous or too short."""


class ConfigError(FluxHeroError, ValueError):
    """A setting that is missing, unknown or outside its bounds."""


class StrategyError(FluxHeroError, ValueError):
    """A strategy file that cannot be loaded, compiled or trusted."""


class ParameterError(FluxHeroError, ValueError):
    """A parameter or an axis that a strategy does not have or does not allow."""


class NotFoundError(FluxHeroError, LookupError):
    """Something named that does not exist."""


class StoreError(FluxHeroError, RuntimeError):
    """Something on disk that cannot be read, or must not be overwritten."""


class BrokerError(FluxHeroError, RuntimeError):
    """A venue refused an instruction, or nobody knows whether it did."""
