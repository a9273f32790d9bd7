"""What the process that serves a node's models needs to know of each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from fastapi import APIRouter


class ModelService(Protocol):
    """A model other than the language model, with its routes."""

    @property
    def name(self) -> str:
        """The design's name of the service, `speech-to-text` for example."""

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models, as `/v1/models` lists them."""

    @property
    def router(self) -> APIRouter:
        """The routes."""

    @property
    def body_limits(self) -> Mapping[str, int]:
        """The most bytes of a request's body, by path, where more than JSON comes."""

    @property
    def status(self) -> str:
        """ready, idle (its model is loaded with the first request), loading, draining or failed."""

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""

    async def start(self) -> None:
        """Begin to load what is to be there from the start; returns at once."""

    def drain(self) -> None:
        """Refuse what is new from now on."""

    def give_up(self) -> None:
        """Fail what is still under way: the time for draining is over."""

    async def close(self) -> None:
        """Give up what is under way, and end the worker."""
