"""From a copy of the model to a decoder that has spoken: checksum and integrity check (B-12)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from reference_stack.inference.engine import LOADING
from reference_stack.inference.generation import Decoder, GenerationRequest
from reference_stack.inference.jobs import EngineHealth, LoadAgainError
from reference_stack.inference.metrics import InferenceMetrics
from reference_stack.inference.settings import InferenceSettings, ModelSyncSettings
from reference_stack.models import BadModelFolderError, check_model_folder
from reference_stack.models.sync import ModelCopy, NodeModels

log = logging.getLogger(__name__)

LoadFolder = Callable[[Path], Decoder]

# A prompt of a few tokens is prefilled in one or two steps; a decoder that says nothing for longer
# will not begin to.
_TRIAL_STEPS = 64


class ModelLoader:
    """Brings the model up to date and loads it; says meanwhile how far it is."""

    def __init__(
        self, settings: InferenceSettings, metrics: InferenceMetrics, load_folder: LoadFolder
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._load_folder = load_folder
        self.stage = LOADING
        self.version: str | None = None

    def load(self) -> Decoder:
        """The decoder of the newest model that is whole and works.

        Raises LoadAgainError when a new model was refused and the one before is to be loaded, in
        another thread; without one before, BadModelFolderError, DiskFullError, and what mlx-lm
        raises for a model it can't run.
        """
        sync = self._settings.model_sync
        if sync is None:
            check_model_folder(self._settings.model_dir, full=True)
            return self._load_folder(self._settings.model_dir)
        models = NodeModels(
            self._settings.model_dir, sync.release, checksum=sync.checksum, say=log.info
        )
        self.stage = EngineHealth("syncing", "the model is being brought up to date")
        began = time.monotonic()
        copy = models.prepare()
        duration_s = time.monotonic() - began
        self._metrics.synced(copy.outcome, duration_s)
        log.info("model copy %s, verified after %.1f s", copy.outcome, duration_s)
        self.stage = LOADING
        decoder = self._tried(models, copy, sync)
        models.switch(copy)
        self.version = copy.version
        self._metrics.serving(self._settings.model_name, copy.version)
        log.info("serving model %s version %s", self._settings.model_name, copy.version)
        return decoder

    def _tried(self, models: NodeModels, copy: ModelCopy, sync: ModelSyncSettings) -> Decoder:
        models.begin_trying(copy)
        try:
            decoder = self._load_folder(check_model_folder(copy.folder))
            if sync.integrity_check:
                try:
                    try_out(decoder)
                except BaseException:
                    decoder.close()
                    raise
        except Exception as error:
            # Whatever is wrong with a new model, the node has one that works.
            if models.refuse(copy, f"{type(error).__name__}: {error}") is None:
                raise
            raise LoadAgainError from error
        return decoder


def try_out(decoder: Decoder) -> None:
    """Have the model generate one token. Raises BadModelFolderError when none comes."""
    prompt = decoder.encode_chat([{"role": "user", "content": "."}])
    key = decoder.add(GenerationRequest(prompt=prompt, max_tokens=1)).key
    for _ in range(_TRIAL_STEPS):
        if any(output.key == key and output.finish_reason for output in decoder.step()):
            return
    raise BadModelFolderError("the model generates nothing")
