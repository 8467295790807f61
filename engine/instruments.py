"""What lanes must know of a market's symbols."""

import xarray as xr

from .constants import lots_per_unit
from .lanes import Instrument
from .setup import Setup


def instruments(market: xr.Dataset, setup: Setup) -> list[Instrument]:
    """Instruments of all symbols, in their order, as a run of `setup` needs them."""
    return market_instruments(market, rounds=setup.execution.tick_rounding)


def market_instruments(market: xr.Dataset, *, rounds: bool) -> list[Instrument]:
    """Instruments of all symbols; with `rounds` the prices of orders are rounded to their ticks."""
    names = [str(value) for value in market["sector"].values] if "sector" in market.coords else []
    sectors = {name: i for i, name in enumerate(dict.fromkeys(name for name in names if name))}
    return [
        Instrument(
            lots=lots_per_unit(float(market["lot_size"].values[i])),
            ticks=lots_per_unit(float(market["tick_size"].values[i])) if rounds else 0.0,
            is_crypto=str(market["asset_class"].values[i]) == "crypto",
            sector=sectors.get(names[i], -1) if names else -1,
        )
        for i in range(market.sizes["symbol"])
    ]
