"""The bare route that the API's look-up is compared with: FastAPI, a psycopg pool, one SELECT.

``python -m benchmarks.api_bare URL PORT [record]``; with ``record`` each look-up also commits one
row before it answers, as any trail of accesses must.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import uvicorn
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool
from starlette.responses import Response

POOL = 5


def bare_app(url: str, *, records: bool) -> FastAPI:
    """The application; ``records`` adds the committed row."""
    pool = AsyncConnectionPool(
        url, min_size=POOL, max_size=POOL, open=False, kwargs={"autocommit": True}
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with pool:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/v1/patients/{patient_id}")
    async def lookup(patient_id: UUID) -> Response:
        async with pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT resource::text FROM patient WHERE id = %s", (patient_id,)
            )
            row = await cursor.fetchone()
            if row is None:
                return Response(status_code=404)
            if records:
                await connection.execute("INSERT INTO bare_trail VALUES (%s)", (patient_id,))
        return Response(row[0], media_type="application/fhir+json")

    return app


if __name__ == "__main__":
    uvicorn.run(
        bare_app(sys.argv[1], records="record" in sys.argv[3:]),
        host="127.0.0.1", port=int(sys.argv[2]), access_log=False, log_level="warning",
    )  # fmt: skip
