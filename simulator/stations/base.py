"""What all stations share: how customers leave, and a count of every one of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Literal, Protocol

from simulator.measures import ConservationError, StationMeasures

Done = Callable[[Any], None]
Leaving = Literal["balked", "blocked", "reneged", "lost"]
Left = Callable[[Any, Leaving], None]
Balks = Callable[[int], bool]
# When it began to wait, the service it needs (both seconds), whom to tell, and the customer.
Ticket = tuple[float, float, Done, Any]


class Queue(Protocol):
    """Where customers wait; the order in which they come out is the discipline."""

    def append(self, ticket: Ticket, /) -> None:
        """A customer joins."""

    def appendleft(self, ticket: Ticket, /) -> None:
        """A customer whose service was interrupted comes back, before those of its rank."""

    def popleft(self) -> Ticket:
        """The next to be served leaves the queue."""

    def clear(self) -> None:
        """Everybody leaves."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Ticket]: ...


class Component(ABC):
    """A station's name, its measures, and what became of everybody who came.

    A customer who is taken in is told to its owner once: by ``done(token)`` when the service is
    over, or by ``left(token, how)``: it ``balked`` at the queue's length, was ``blocked`` because
    the station was full, ``reneged`` when its patience ended, or was ``lost`` in a crash.
    """

    def __init__(self, name: str, now: float, left: Left | None) -> None:
        self.name = name
        self.measures = StationMeasures(now)
        self.arrived = self.completed = 0
        self.balked = self.blocked = self.reneged = self.lost = 0
        self._left = left

    @property
    @abstractmethod
    def inside(self) -> int:
        """Customers waiting or in service, counted one by one."""

    @abstractmethod
    def request(self, needed_s: float, done: Done, token: Any = None) -> None:
        """Ask for a service of ``needed_s``; ``done(token)`` follows when it is over."""

    @abstractmethod
    def snapshot(self) -> StationMeasures:
        """The measures up to now; may be reset at this very moment, and only then."""

    @abstractmethod
    def pause(self) -> None:
        """Stop serving. Work under way stands still; arrivals wait."""

    @abstractmethod
    def resume(self) -> None:
        """Serve again; work under way goes on where it stood."""

    @abstractmethod
    def set_servers(self, servers: int, /) -> None:
        """Have so many servers from now on; servers too many go when their service is over."""

    @abstractmethod
    def crash(self) -> None:
        """Lose everybody inside, and serve nobody until :meth:`resume`."""

    def check_conservation(self) -> None:
        """Everybody who arrived was served, is inside, or left in a way that was counted.

        Raises:
            ConservationError: when the sum does not hold.
        """
        left = self.balked + self.blocked + self.reneged + self.lost
        if self.arrived != self.completed + left + self.inside:
            raise ConservationError(
                f"{self.name}: {self.arrived} arrived, but {self.completed} were served, {left} "
                f"left without and {self.inside} are inside"
            )

    def _leaves(self, token: Any, how: Leaving) -> None:
        match how:
            case "balked":
                self.balked += 1
            case "blocked":
                self.blocked += 1
            case "reneged":
                self.reneged += 1
            case "lost":
                self.lost += 1
        if self._left is not None:
            self._left(token, how)
