"""What every broker can do for a runner, whoever is behind it.

An order carries our own id; sending it again, after a restart or a lost answer, never makes a second one.
Answers come as ``Execution``, ``Reached`` and ``Rejection`` records; a simulated venue gives them for each
row of time (``SimulatedBroker``), a real one when it pleases.
"""

from typing import Protocol

from ..engine.records import Answer, Order, Position, RowClosed


class Broker(Protocol):
    """A venue that holds our orders and positions."""

    def submit(self, order: Order, not_before_ns: int, delay_bars: int = 0) -> None:
        """Send an order; one with an id that was sent before changes nothing.

        An entry is a bracket: with its first fill a protective stop and, where it has one, a target rest, of
        which one cancels the other.

        Raises
        ------
        BrokerError
            If the venue cannot take it.
        """

    def move_stop(self, client_order_id: str, stop_price: float) -> None:
        """Move a resting protective stop.

        Raises
        ------
        BrokerError
            If it does not rest here.
        """

    def move_target(self, client_order_id: str, target_price: float) -> None:
        """Move the target of what is held, or make one.

        Raises
        ------
        BrokerError
            If nothing is held that it could be the target of.
        """

    def postpone(self, client_order_id: str, not_before_ns: int) -> None:
        """Let a waiting order wait on; one that is gone stays gone."""

    def cancel(self, client_order_id: str) -> None:
        """Take back an order that waits or rests; one that is gone stays gone."""

    def open_orders(self) -> list[Order]:
        """Orders that wait or rest, with the present prices of stops and targets."""

    def positions(self) -> list[Position]:
        """What is held of each symbol, flat ones included, and the money beside it."""


class SimulatedBroker(Broker, Protocol):
    """A venue of our own: it sees the market a row at a time, and its state is ours to keep."""

    def on_row(self, row: RowClosed) -> list[Answer]:
        """Take a row of time and tell what became of the orders."""

    def save(self) -> bytes:
        """Everything that `restore` needs to continue to the bit."""

    def restore(self, saved: bytes) -> None:
        """Take up the state of `save`.

        Raises
        ------
        StoreError
            If it is not a state of this broker.
        """
