"""What the process that serves a node's models needs to know of each of them."""

from __future__ import annotations

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
    def status(self) -> str:
        """ready, idle (its model is loaded with the first request), draining, or failed."""

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""

    async def start(self) -> None:
        """Begin to load what is to be there from the start; returns at once."""

    def drain(self) -> None:
        """Refuse what is new from now on."""

    async def close(self) -> None:
        """Give up what is under way, and end the worker."""
