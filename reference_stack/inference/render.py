"""The settings and process of a site's language model."""

from __future__ import annotations

from reference_stack.rendering import SiteContext
from reference_stack.site.description import ServiceSpec


def inference_services(context: SiteContext) -> list[ServiceSpec]:
    """The site's inference server."""
    inference = context.design.inference
    here = context.endpoint("inference")
    settings = {
        "host": here.host,
        "port": here.port,
        "site": context.site,
        "model_dir": str(context.programs.model),
        "model_name": inference.model,
        "max_batch": inference.max_batch,
        "max_queue": inference.max_queue,
        "queue_timeout_s": inference.queue_timeout_s,
        "max_prompt_tokens": inference.max_prompt_tokens,
        "max_answer_tokens": inference.max_answer_tokens,
    }
    return [context.python_service("inference", "reference_stack.inference", settings)]
