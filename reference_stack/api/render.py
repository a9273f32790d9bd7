"""The settings and process of a site's API."""

from __future__ import annotations

from reference_stack.rendering import DATABASE_USER, SiteContext, database_url, write_endpoint
from reference_stack.site.description import ServiceSpec


def api_services(context: SiteContext) -> list[ServiceSpec]:
    """The site's API; at the emergency site it speaks to that site's own database."""
    design, site = context.design, context.site
    here = context.endpoint("api")
    emergency = design.emergency
    in_emergency = emergency is not None and emergency.site == site
    answer_tokens = design.inference.max_answer_tokens
    if in_emergency and emergency is not None:
        answer_tokens = emergency.chat_max_answer_tokens
    database = write_endpoint(design, context.addresses, site if in_emergency else None)
    settings = {
        "host": here.host,
        "port": here.port,
        "site": site,
        "mode": "emergency" if in_emergency else "normal",
        "database_url": database_url(database, DATABASE_USER, context.secret("application")),
        "database_pool_size": design.api.database_pool_size,
        "inference_url": context.endpoint("inference").url,
        "token_secret": context.secret("token"),
        "token_lifetime_s": design.api.token_lifetime_s,
        "chat_max_answer_tokens": answer_tokens,
        "request_timeout_s": design.api.request_timeout_s,
    }
    return [context.python_service("api", "reference_stack.api", settings)]
