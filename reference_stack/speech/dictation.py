"""WebSocket /v1/audio/dictation: sound in as it is spoken, text out as it is understood.

The client sends, after an optional ``{"type": "start", "language": "en", "prompt": "…"}``, binary
messages of 16-bit little-endian mono samples at 16 kHz, and ``{"type": "end"}`` when it has said
all. It gets ``{"type": "ready"}``, then for each utterance any number of ``partial`` messages and
one ``final`` (`utterance` counts from 0, `text`, `start_s`, `end_s` in seconds of the session), and
``{"type": "done", "text": …}`` after the last. An error is ``{"type": "error", "error": {…}}`` in
OpenAI's shape, and the connection closes.

There is never more than one recognition under way for a session. Sound that comes meanwhile is
kept, up to a backlog, then not read any more; a partial is left out while others wait for the
worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from reference_stack.serving.problem import Problem, bad_request, unavailable
from reference_stack.speech.audio import RATE, Samples, from_pcm16
from reference_stack.speech.backlog import Backlog
from reference_stack.speech.settings import DictationSettings
from reference_stack.speech.tasks import HearOptions
from reference_stack.speech.transcriber import Transcriber
from reference_stack.speech.windows import silent, trailing_silence_s

_MAX_MESSAGE_BYTES = 10 * RATE * 2
#: Beyond it the socket closes without a word; shorter ones get an error that says why.
MAX_SOCKET_MESSAGE_BYTES = 1024**2
_MAX_PROMPT_CHARACTERS = 1000
# RFC 6455: policy violation, message too big, try again later.
_CLOSE_REFUSED, _CLOSE_TRY_LATER, _CLOSE_NORMAL = 1008, 1013, 1000


class _Start(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["start"]
    language: str | None = None
    prompt: Annotated[str, Field(max_length=_MAX_PROMPT_CHARACTERS)] = ""


class _End(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["end"]


_MESSAGES: TypeAdapter[_Start | _End] = TypeAdapter(
    Annotated[_Start | _End, Field(discriminator="type")]
)


class Dictations:
    """All open dictations of the service."""

    def __init__(self, settings: DictationSettings, transcriber: Transcriber) -> None:
        self._settings = settings
        self._transcriber = transcriber
        self._draining = False
        self.open = 0

    def drain(self) -> None:
        """Refuse new dictations."""
        self._draining = True

    def routes(self) -> APIRouter:
        """The endpoint."""
        router = APIRouter()

        @router.websocket("/v1/audio/dictation")
        async def dictate(socket: WebSocket) -> None:
            await socket.accept()
            with contextlib.suppress(WebSocketDisconnect):
                try:
                    await self._session(socket)
                except Problem as problem:
                    await _refuse(socket, problem)

        return router

    async def _session(self, socket: WebSocket) -> None:
        if self._draining:
            raise unavailable("draining", "the service is shutting down")
        if self.open >= self._settings.max_sessions:
            raise unavailable(
                "too_many_dictations", f"{self._settings.max_sessions} dictations are open already"
            )
        self.open += 1
        try:
            await _Session(socket, self._settings, self._transcriber).run()
        finally:
            self.open -= 1


class _Session:
    """One client's dictation."""

    def __init__(
        self, socket: WebSocket, settings: DictationSettings, transcriber: Transcriber
    ) -> None:
        self._socket = socket
        self._settings = settings
        self._transcriber = transcriber
        self._heard = Backlog()
        self._options = HearOptions(transcriber.language(None))
        self._texts: list[str] = []

    async def run(self) -> None:
        """Until the client has said all, leaves, or breaks a rule (Problem)."""
        await self._say({"type": "ready"})
        listening = asyncio.create_task(self._listen())
        understanding = asyncio.create_task(self._understand())
        try:
            await asyncio.wait({listening, understanding}, return_when=asyncio.FIRST_COMPLETED)
            if listening.done():  # it never comes to an end of its own
                listening.result()
            understanding.result()
        finally:
            for task in (listening, understanding):
                task.cancel()
            await asyncio.gather(listening, understanding, return_exceptions=True)
        await self._say({"type": "done", "text": " ".join(self._texts)})
        await self._socket.close(_CLOSE_NORMAL)

    async def _listen(self) -> None:
        """Until the client leaves or breaks a rule: also when it has said all, to see it leave."""
        while True:
            # Who speaks faster than is understood is not read from, and so is held up by TCP.
            await self._heard.room(self._settings.max_backlog_s)
            patience_s = None if self._heard.ended else self._settings.idle_timeout_s
            try:
                async with asyncio.timeout(patience_s):
                    message = await self._socket.receive()
            except TimeoutError:
                raise bad_request("idle", f"nothing came for {patience_s:g} s") from None
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", _CLOSE_NORMAL))
            if self._heard.ended:
                raise bad_request("invalid_request", "nothing comes after end")
            if (sound := message.get("bytes")) is not None:
                self._add(sound)
            else:
                self._control(message.get("text") or "")

    def _add(self, sound: bytes) -> None:
        if len(sound) % 2 or len(sound) > _MAX_MESSAGE_BYTES:
            raise bad_request(
                "invalid_audio",
                f"a message holds whole 16-bit samples, at most {_MAX_MESSAGE_BYTES:,} bytes",
            )
        if self._heard.received_s > self._settings.max_session_s:
            raise bad_request(
                "too_long", f"a dictation lasts at most {self._settings.max_session_s:g} s"
            )
        self._heard.add(from_pcm16(sound))

    def _control(self, text: str) -> None:
        try:
            message = _MESSAGES.validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"]) or "message"
            raise bad_request("invalid_request", f"{key}: {first['msg']}", key) from error
        if isinstance(message, _End):
            self._heard.end()
        elif self._heard.received_s:
            raise bad_request("invalid_request", "start comes before the first sound")
        else:
            self._options = HearOptions(
                self._transcriber.language(message.language), message.prompt
            )

    async def _understand(self) -> None:
        """Finals as utterances end, partials in between, until the client has said all."""
        partial_at_s = 0.0
        while True:
            await self._heard.changed()
            while (length := self._utterance()) is not None:
                await self._final(length)
                partial_at_s = self._heard.begins_s
            if self._heard.ended and not len(self._heard):
                return
            new_s = self._heard.received_s - partial_at_s
            if new_s >= self._settings.partial_every_s and not self._transcriber.busy:
                partial_at_s = self._heard.received_s
                await self._partial()

    def _utterance(self) -> int | None:
        """How many samples the utterance at the beginning has, if it has ended."""
        longest = int(self._settings.max_utterance_s * RATE)
        samples = self._heard.samples[:longest]
        if not len(samples):
            return None
        whole = len(samples) == longest or (self._heard.ended and len(samples) == len(self._heard))
        if whole or trailing_silence_s(samples) >= self._settings.pause_s:
            return len(samples)
        return None

    async def _partial(self) -> None:
        samples = self._heard.samples
        if not silent(samples):
            text = await self._text(samples)
            await self._say({"type": "partial", "utterance": len(self._texts), "text": text})

    async def _final(self, length: int) -> None:
        samples, start_s = self._heard.samples[:length], self._heard.begins_s
        self._heard.drop(length)
        text = "" if silent(samples) else await self._text(samples)
        if not text:
            return
        await self._say(
            {
                "type": "final",
                "utterance": len(self._texts),
                "text": text,
                "start_s": round(start_s, 2),
                "end_s": round(start_s + length / RATE, 2),
            }
        )
        self._texts.append(text)

    async def _text(self, samples: Samples) -> str:
        transcript = await self._transcriber.transcribe(samples, self._options, admitted=True)
        return transcript.text

    async def _say(self, document: dict[str, object]) -> None:
        await self._socket.send_text(json.dumps(document, ensure_ascii=False))


async def _refuse(socket: WebSocket, problem: Problem) -> None:
    if socket.application_state is WebSocketState.DISCONNECTED:
        return
    document = {"type": "error", "error": problem.document()["error"]}
    if problem.retry_after_s is not None:
        document["retry_after_s"] = problem.retry_after_s
    await socket.send_text(json.dumps(document, ensure_ascii=False))
    later = problem.is_server_error
    await socket.close(_CLOSE_TRY_LATER if later else _CLOSE_REFUSED, problem.code)
