"""The settings and process of a site's language model."""

from __future__ import annotations

from reference_stack.models.sync import publish
from reference_stack.rendering import SiteContext
from reference_stack.site.description import ServiceSpec

#: The folder of a stack that releases of its model are published in.
RELEASE = "model-release"


def inference_services(context: SiteContext) -> list[ServiceSpec]:
    """The site's inference server.

    With ``inference.model_sync`` every node keeps a copy of its own, taken from the stack's
    release; without, all of them read the one folder of the machine's cache.
    """
    inference = context.design.inference
    here = context.endpoint("inference")
    sync = inference.model_sync
    model_dir = context.programs.model
    if sync is not None:
        publish(context.directory / RELEASE, context.programs.model)
        model_dir = context.folder / "models"
    settings = {
        "host": here.host,
        "port": here.port,
        "site": context.site,
        "model_dir": str(model_dir),
        "model_name": inference.model,
        "model_sync": None
        if sync is None
        else {
            "release": str(context.directory / RELEASE),
            "checksum": sync.checksum,
            "integrity_check": sync.integrity_check,
        },
        "max_batch": inference.max_batch,
        "max_queue": inference.max_queue,
        "queue_timeout_s": inference.queue_timeout_s,
        "max_prompt_tokens": inference.max_prompt_tokens,
        "max_answer_tokens": inference.max_answer_tokens,
    }
    return [context.python_service("inference", "reference_stack.inference", settings)]
