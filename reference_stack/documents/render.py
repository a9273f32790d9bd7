"""The document service of a site, and in the rsync variant the node's rsync daemon."""

from __future__ import annotations

from typing import Any

from architecture.errors import InputError
from architecture.replication import Documents
from reference_stack.documents.settings import DocumentSettings
from reference_stack.rendering import SiteContext
from reference_stack.site.description import ServiceSpec

MODULE = "reference_stack.documents"
_MOST_NODES = 2


def documents_services(context: SiteContext) -> list[ServiceSpec]:
    """The site's document service: a node of the pair, or at the bucket's site the emergency one.

    Raises:
        InputError: for a way of replication or a number of nodes that nothing here carries out.
    """
    documents = context.design.documents
    if documents is None:
        return []
    if documents.method not in {"acknowledged-by-both", "rsync"}:
        raise InputError(
            f"the stack can't run '{documents.method}'",
            where="documents.method", allowed="acknowledged-by-both, rsync",
        )  # fmt: skip
    if len(documents.sites) > _MOST_NODES:
        raise InputError(
            f"got {len(documents.sites)}", where="documents.sites", allowed="one or two sites"
        )
    if context.site in documents.sites:
        return _node(context, documents)
    if context.site == documents.bucket:
        return [_checked(context, {**_common(context, documents), "mode": "emergency"})]
    return []


def _common(context: SiteContext, documents: Documents) -> dict[str, Any]:
    here = context.endpoint("documents")
    bucket = None
    if documents.bucket is not None:
        place = context.addresses.endpoint(documents.bucket, "bucket")
        bucket = {"host": place.host, "port": place.port}
    return {
        "host": here.host,
        "port": here.port,
        "site": context.site,
        "folder": str(context.folder / "documents"),
        "secret": context.secret("documents"),
        "method": documents.method,
        "conflicts": documents.conflicts,
        "interval_s": documents.interval_s,
        "primary": context.site == documents.sites[0],
        "bucket": bucket,
    }


def _checked(context: SiteContext, values: dict[str, Any]) -> ServiceSpec:
    settings = DocumentSettings.model_validate(values).model_dump(mode="json")
    return context.python_service("documents", MODULE, settings)


def _node(context: SiteContext, documents: Documents) -> list[ServiceSpec]:
    others = [site for site in documents.sites if site != context.site]
    values = {**_common(context, documents), "mode": "normal"}
    services: list[ServiceSpec] = []
    if others and documents.method == "acknowledged-by-both":
        values["peer_url"] = context.addresses.endpoint(others[0], "documents").url
    if others and documents.method == "rsync":
        program = context.programs.paths.get("rsync")
        if program is None:
            raise InputError(
                "the program 'rsync' is missing", where="documents.method",
                allowed="rsync once the program is installed, acknowledged-by-both at any time",
            )  # fmt: skip
        if values["primary"]:
            there = context.addresses.endpoint(others[0], "documents-rsync")
            values["rsync"] = {"program": str(program), "host": there.host, "port": there.port}
        else:
            services.append(_rsync_daemon(context, str(program)))
    return [*services, _checked(context, values)]


def _rsync_daemon(context: SiteContext, program: str) -> ServiceSpec:
    here = context.endpoint("documents-rsync")
    settings = {
        "program": program,
        "host": here.host,
        "port": here.port,
        "folder": str(context.folder / "documents"),
        "secret": context.secret("documents"),
    }
    return context.python_service("documents-rsync", f"{MODULE}.rsync", settings)
