"""A small real service with the API's contract, for tests: ``ward_server.py PORT FOLDER [PEM]``.

Notes are appended to FOLDER/notes, so that they outlive the process. ``FOLDER/mode`` may hold a
word that changes how notes are answered: ``silent`` (stored, never answered), ``lost`` (stored,
then 503 outcome-unknown), ``expired`` (401 for every token issued before); or chats: ``pensive``
(1.5 s before the first token), ``broken`` (an error after the first token).
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

from reference_stack.hospital.clinicians import clinician_password

SECRET = "a secret of the tests"
PATIENTS = [
    {
        "id": f"00000000-0000-4000-8000-{number:012}",
        "name": f"Ana Número {number}",
        "medical_record_number": f"{number:08}",
    }
    for number in range(20)
]


def build(folder: Path) -> FastAPI:  # noqa: C901 - one route after the other
    app = FastAPI()
    notes = folder / "notes"
    notes.touch()
    tokens: set[str] = set()

    def mode() -> str:
        path = folder / "mode"
        return path.read_text() if path.exists() else ""

    def answer(status: int, document: dict[str, Any]) -> JSONResponse:
        return JSONResponse(document, status, {"X-Prontuario-Site": "a", "X-Prontuario-Mode": "n"})

    @app.post("/v1/login")
    async def login(request: Request) -> JSONResponse:
        body = await request.json()
        if body["password"] != clinician_password(SECRET, body["username"]):
            return answer(401, {"type": "bad-credentials"})
        token = f"{body['username']}-{len(tokens)}"
        tokens.add(token)
        return answer(200, {"access_token": token, "clinician": {}})

    @app.get("/v1/patients")
    async def patients(query: str = "", limit: int = 20) -> JSONResponse:
        found = [p for p in PATIENTS if query in (p["name"], p["medical_record_number"], "")]
        return answer(200, {"items": found[:limit]})

    @app.post("/v1/patients/{patient}/notes")
    async def write(patient: str, request: Request) -> JSONResponse:
        token = request.headers["authorization"].removeprefix("Bearer ")
        if mode() == "expired":
            tokens.clear()
            (folder / "mode").unlink()
        if token not in tokens:
            return answer(401, {"type": "not-authenticated"})
        key = request.headers["idempotency-key"]
        with notes.open("a") as file:
            file.write(json.dumps({"client_id": key, **await request.json()}) + "\n")
        if mode() == "silent":
            await asyncio.sleep(3600)
        if mode() == "lost":
            return answer(503, {"type": "outcome-unknown"})
        return answer(201, {"client_id": key, "patient_id": patient})

    @app.post("/v1/chat")
    async def chat(request: Request) -> StreamingResponse:
        body = await request.json()

        async def events() -> AsyncIterator[bytes]:
            yield b"event: meta\ndata: {}\n\n"
            await asyncio.sleep(1.5 if mode() == "pensive" else 0)
            for _ in range(body["max_tokens"]):
                await asyncio.sleep(0.01)
                yield b'data: {"choices": [{"delta": {"content": "word "}}]}\n\n'
                if mode() == "broken":
                    yield b'event: error\ndata: {"type": "inference-broken"}\n\n'
                    return
            usage = {"completion_tokens": body["max_tokens"]}
            yield b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n"
            yield b"data: [DONE]\n\n"

        headers = {"X-Prontuario-Site": "a", "X-Prontuario-Mode": "n"}
        return StreamingResponse(events(), media_type="text/event-stream", headers=headers)

    return app


if __name__ == "__main__":
    certificate = sys.argv[3] if len(sys.argv) > 3 else None
    uvicorn.run(
        build(Path(sys.argv[2])), host="127.0.0.1", port=int(sys.argv[1]), log_level="error",
        ssl_certfile=certificate, ssl_keyfile=certificate,
    )  # fmt: skip
