"""What a hospital node answers to the other node."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reference_stack.documents.app import BadRequestError, read_body
from reference_stack.documents.errors import CorruptedError, NotFoundError
from reference_stack.documents.http_peer import unpacked
from reference_stack.documents.node import DocumentNode
from reference_stack.documents.records import SHARDS

#: Room for the record beside the content.
RECORD_LIMIT_BYTES = 1 << 20


def peer_routes(node: DocumentNode, size_limit_bytes: int) -> list[Route]:
    """Routes of :class:`reference_stack.documents.http_peer.HttpPeer`."""
    catalogue, blobs = node.catalogue, node.blobs

    async def accept(request: Request) -> Response:
        body = await read_body(request, size_limit_bytes + RECORD_LIMIT_BYTES)
        try:
            record, content = unpacked(body)
            return JSONResponse({"sha256": await node.accept(record, content)})
        except (ValueError, CorruptedError) as error:
            raise BadRequestError(str(error)) from error

    async def digests(_request: Request) -> Response:
        return JSONResponse(catalogue.digests())

    async def inventory(request: Request) -> Response:
        return JSONResponse(catalogue.inventory(_shard(request)))

    async def record(request: Request) -> Response:
        found = catalogue.by_name(_shard(request), request.path_params["name"])
        if found is None:
            raise NotFoundError("no such record")
        return Response(found.encoded(), media_type="application/json")

    async def document(request: Request) -> Response:
        records = catalogue.of_document(request.path_params["document"])
        return JSONResponse([entry.model_dump(mode="json") for entry in records])

    def blob(request: Request) -> Response:
        # Not through node.content, which would ask the asker.
        try:
            return Response(blobs.read(request.path_params["sha256"]))
        except CorruptedError as error:
            raise NotFoundError(str(error)) from error

    return [
        Route("/peer/versions", accept, methods=["PUT"]),
        Route("/peer/digests", digests),
        Route("/peer/inventory/{shard:int}", inventory),
        Route("/peer/records/{shard:int}/{name}", record),
        Route("/peer/documents/{document:uuid}", document),
        Route("/peer/blobs/{sha256}", blob),
    ]


def _shard(request: Request) -> int:
    shard: int = request.path_params["shard"]
    if shard >= SHARDS:
        raise BadRequestError(f"shard: 0 to {SHARDS - 1}")
    return shard
