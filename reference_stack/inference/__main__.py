"""Start the service: python -m reference_stack.inference --settings inference.json."""

from __future__ import annotations

import argparse
import logging
import math
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import uvicorn

from reference_stack.inference.app import build_app
from reference_stack.inference.blas import prepare_process
from reference_stack.inference.engine import Engine
from reference_stack.inference.generation import Decoder
from reference_stack.inference.jobs import EngineLimits
from reference_stack.inference.loading import ModelLoader
from reference_stack.inference.metrics import InferenceMetrics
from reference_stack.inference.settings import InferenceSettings, SettingsError, read_settings
from reference_stack.inference.trial import trial_settings
from reference_stack.models import BadModelFolderError, ModelError, check_model_folder
from reference_stack.serving.service import ModelService
from reference_stack.speech.dictation import MAX_SOCKET_MESSAGE_BYTES
from reference_stack.speech.metrics import SpeechMetrics, VoiceMetrics
from reference_stack.speech.service import SpeechService
from reference_stack.speech.voice_service import VoiceService
from reference_stack.vision.metrics import VisionMetrics
from reference_stack.vision.service import VisionService

log = logging.getLogger("reference_stack.inference")

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
# Beyond the drain time: for answers to reach their clients, and for errors.
_GOODBYE_S = 2
# For the step under way, when a second signal has skipped the orderly end.
_LAST_STEP_S = 1
_MAX_PORT = 65535


class DrainingServer(uvicorn.Server):
    """uvicorn that at a first signal refuses new work, finishes what is there, and then ends.

    Until then it goes on listening, so that who comes is told (503, Retry-After) and the balancer
    sees it; a second signal ends it at once.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        engine: Engine,
        services: Sequence[ModelService],
        drain_timeout_s: float,
    ) -> None:
        super().__init__(config)
        self._engine = engine
        self._services = services
        self._drain_timeout_s = drain_timeout_s
        self._signal: int | None = None
        self._drain_until = math.inf

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called as the signal handler."""
        if self._signal is not None:
            super().handle_exit(sig, frame)
            self.force_exit = True
            return
        self._signal = sig
        self._drain_until = time.monotonic() + self._drain_timeout_s
        self._engine.drain(self._drain_timeout_s)
        for service in self._services:
            service.drain()

    async def on_tick(self, counter: int) -> bool:
        """Called every tenth of a second; whether to end."""
        if self._signal is not None and not self.should_exit:
            late = time.monotonic() > self._drain_until
            if late:  # the engine looks at the clock itself
                for service in self._services:
                    service.give_up()
            if late or (self._engine.idle and all(service.idle for service in self._services)):
                super().handle_exit(self._signal, None)
        return await super().on_tick(counter)


def model_loader(settings: InferenceSettings, metrics: InferenceMetrics) -> ModelLoader:
    """What brings the model into this process."""

    def load_folder(folder: Path) -> Decoder:
        # Imports mlx, so not before the BLAS is chosen.
        from reference_stack.inference.batching import MlxDecoder  # noqa: PLC0415

        return MlxDecoder(
            folder,
            max_batch=settings.max_batch,
            prefill_chunk_tokens=settings.prefill_chunk_tokens,
            prompt_cache_bytes=settings.prompt_cache_bytes,
        )

    return ModelLoader(settings, metrics, load_folder)


def other_services(settings: InferenceSettings, metrics: InferenceMetrics) -> list[ModelService]:
    """The models beside the language model that the settings ask for."""
    services: list[ModelService] = []
    if settings.speech is not None:
        services.append(SpeechService(settings.speech, SpeechMetrics(metrics.registry)))
    if settings.voice is not None:
        services.append(VoiceService(settings.voice, VoiceMetrics(metrics.registry)))
    if settings.vision is not None:
        services.append(VisionService(settings.vision, VisionMetrics(metrics.registry)))
    return services


def _listen(settings: InferenceSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((settings.host, settings.port))
    return listener


def serve(settings: InferenceSettings) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code."""
    blas = prepare_process(settings.blas_threads)
    if blas == "reference":
        log.warning("no OpenBLAS on this machine: decoding will be 2 to 20 times slower")
    metrics = InferenceMetrics()
    limits = EngineLimits(
        max_batch=settings.max_batch,
        max_queue=settings.max_queue,
        queue_timeout_s=settings.queue_timeout_s,
        stall_timeout_s=settings.stall_timeout_s,
    )
    services = other_services(settings, metrics)
    loader = model_loader(settings, metrics)
    engine = Engine(loader.load, limits, metrics, loading=lambda: loader.stage)
    try:
        listener = _listen(settings)
    except OSError as error:
        sys.stderr.write(f"can't listen on {settings.host}:{settings.port}: {error.strerror}\n")
        return EXIT_FAILED
    config = uvicorn.Config(
        build_app(
            settings,
            engine,
            metrics,
            blas,
            model_version=lambda: loader.version,
            services=services,
        ),
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=_GOODBYE_S,
        ws_max_size=MAX_SOCKET_MESSAGE_BYTES,
    )
    # uvicorn raises the signal again when it is done; that is a success here.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    host, port = listener.getsockname()[:2]
    log.info("site %s listening on %s port %s, blas %s", settings.site, host, port, blas)
    try:
        DrainingServer(config, engine, services, settings.drain_timeout_s).run(sockets=[listener])
    finally:
        if not engine.stop(_LAST_STEP_S):
            # A thread stuck inside the device can't be ended, and would crash a normal exit.
            log.error("leaving a stuck decoding thread behind")
            os._exit(EXIT_FAILED)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the settings and serve; exit code 2 for settings that can't be used."""
    parser = argparse.ArgumentParser(
        prog="python -m reference_stack.inference",
        description="Serves the models of one node by OpenAI's API: chat, and as the settings say "
        "speech to text, text to speech, faces and images. See docs/ai-services.md.",
    )
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--settings", type=Path, help="a JSON file")
    way.add_argument(
        "--try",
        dest="trial_port",
        type=_port,
        metavar="PORT",
        help="serve everything on 127.0.0.1:PORT with the small models, fetched if need be",
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    if options.settings is None:
        return _serve_trial(options.trial_port)
    try:
        settings = read_settings(options.settings)
        if settings.model_sync is None:
            check_model_folder(settings.model_dir)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_BAD_INPUT
    except BadModelFolderError as error:
        sys.stderr.write(f"{options.settings}: model_dir: {error}\n")
        return EXIT_BAD_INPUT
    return serve(settings)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= _MAX_PORT:
        raise argparse.ArgumentTypeError(f"{port} is no port, allowed are 0 to {_MAX_PORT}")
    return port


def _serve_trial(port: int) -> int:
    try:
        settings = trial_settings(port, log.info)
    except ModelError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_FAILED
    return serve(settings)


if __name__ == "__main__":
    sys.exit(main())
