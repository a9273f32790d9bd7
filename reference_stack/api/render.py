"""The settings and process of a site's API."""

from __future__ import annotations

from reference_stack.cache.render import cache_settings
from reference_stack.monitoring.database import PROBE_ID
from reference_stack.rendering import DATABASE_USER, SiteContext, database_url, write_endpoints
from reference_stack.site.description import ServiceSpec

#: The medical context of A-09.
CONTEXT_TOKENS = 4096
#: "Basic answers only" (B-17): who it is, what is known to be dangerous, the beginning of a note.
EMERGENCY_PATIENT_TOKENS = 64
#: "Limited transcription" (B-17): what Whisper hears at once, 30 s of 16 bits at 16 kHz.
EMERGENCY_RECORDING_BYTES = 30 * 16_000 * 2 + 1024


def api_services(context: SiteContext) -> list[ServiceSpec]:
    """The site's API; at the emergency site it speaks to that site's own database."""
    design, site = context.design, context.site
    here = context.endpoint("api")
    emergency = design.emergency
    in_emergency = emergency is not None and emergency.site == site
    answer_tokens = design.inference.max_answer_tokens
    if in_emergency and emergency is not None:
        answer_tokens = emergency.chat_max_answer_tokens
    database = write_endpoints(design, context.addresses, site if in_emergency else None)
    cache = cache_settings(context)
    limited_voice = in_emergency and emergency is not None and emergency.voice == "limited"
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
        "documents_urls": _document_services(context),
        "documents_secret": context.secret("documents"),
        "request_timeout_s": design.api.request_timeout_s,
        **({"audio_size_limit_bytes": EMERGENCY_RECORDING_BYTES} if limited_voice else {}),
        "fallback_url": (
            context.addresses.endpoint(design.fallback.site, "fallback").url
            if design.fallback is not None
            else None
        ),
        "cache": cache.model_dump() if cache is not None else None,
        "trusted_proxies": _balancers(context),
        "audit_folder": str(context.folder / "audit"),
        "watchers": [str(PROBE_ID)] if design.sites_with("monitoring") else [],
        "emergency_users": emergency.users if emergency is not None else 50,
        "chat_context_tokens": min(
            CONTEXT_TOKENS, design.inference.max_prompt_tokens + answer_tokens
        ),
        "chat_patient_tokens": (
            EMERGENCY_PATIENT_TOKENS if in_emergency else design.inference.max_prompt_tokens // 8
        ),
    }
    return [context.python_service("api", "reference_stack.api", settings)]


def _document_services(context: SiteContext) -> list[str]:
    """The site's own document service first; on a node of the pair also the other one."""
    documents = context.design.documents
    if documents is None:
        return []
    nodes = documents.sites if context.site in documents.sites else (documents.bucket,)
    sites = sorted(
        (site for site in nodes if site is not None), key=lambda site: site != context.site
    )
    return [context.addresses.endpoint(site, "documents").url for site in sites]


def _balancers(context: SiteContext) -> list[str]:
    """Where requests come from that name the client they are passed on for."""
    addresses = context.addresses
    if addresses.kind != "namespaces":
        # Whatever loopback address a site listens on, it connects from this one.
        return ["127.0.0.1"]
    sites = [*context.design.sites_with("balancer"), context.site]
    shared = [addresses.shared_address] if addresses.shared_address is not None else []
    return [*(addresses.address(site) for site in sites), *shared]
