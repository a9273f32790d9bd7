"""The controller over HTTP: anyone may ask, orders need the token."""

from __future__ import annotations

import hmac
import json
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reference_stack.fallback.controller import Controller, RefusedError
from reference_stack.fallback.state import STEPS

PHASES = (
    "hospital", "cloud", *(f"{name}.{step}" for name, steps in STEPS.items() for step in steps),
)  # fmt: skip


class _Measures:
    """gcp_fallback_active, fallback_phase{phase}, fallback_epoch and what else to watch."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    def collect(self) -> list[Metric]:
        status = self._controller.status()
        active = GaugeMetricFamily(
            "gcp_fallback_active", "1 while the cloud leads", float(status["leader"] == "cloud")
        )
        epoch = GaugeMetricFamily(
            "fallback_epoch", "decisions for the cloud so far", float(status["epoch"])
        )
        unsalvaged = GaugeMetricFamily(
            "fallback_unsalvaged_nodes", "nodes that may alone hold rows",
            float(len(status["unsalvaged"])),
        )  # fmt: skip
        rivals = GaugeMetricFamily(
            "fallback_rivals", "primaries of the hospital beside the leading cloud",
            float(len(status["rivals"])),
        )  # fmt: skip
        phase = GaugeMetricFamily("fallback_phase", "1 for the phase it is in", labels=["phase"])
        for name in PHASES:
            phase.add_metric([name], float(status["phase"] == name))
        up = GaugeMetricFamily(
            "fallback_node_up", "the controller's own check of a node", labels=["node"]
        )
        for node, is_up in status["nodes"].items():
            up.add_metric([node], float(is_up))
        return [active, epoch, unsalvaged, rivals, phase, up]


def create_app(controller: Controller, token: str) -> Starlette:
    """The routes; each runs on a thread of its own."""
    registry = CollectorRegistry()
    registry.register(_Measures(controller))

    def leadership(_request: Request) -> Response:
        return JSONResponse(controller.leadership())

    def status(_request: Request) -> Response:
        return JSONResponse(controller.status())

    def metrics(_request: Request) -> Response:
        return Response(generate_latest(registry), media_type="text/plain; version=0.0.4")

    def gate_order(request: Request) -> Response:
        try:
            return JSONResponse(controller.gate_order(request.path_params["site"]))
        except RefusedError as error:
            return JSONResponse({"error": str(error)}, 404)

    async def order(request: Request) -> Response:
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            return JSONResponse({"error": "the token is missing or wrong"}, 401)
        try:
            document = json.loads(await request.body() or b"{}")
        except ValueError:
            return JSONResponse({"error": "the body is no JSON document"}, 422)
        return await run_in_threadpool(_answer, controller, request, document)

    orders = ("/gate/{site}", "/promote", "/failback", "/cancel")
    return Starlette(
        routes=[
            Route("/leadership", leadership),
            Route("/status", status),
            Route("/metrics", metrics),
            Route("/gate/{site}", gate_order, methods=["GET"]),
            *(Route(path, order, methods=["POST"]) for path in orders),
        ]
    )


def _answer(controller: Controller, request: Request, document: dict[str, Any]) -> Response:
    try:
        _obey(controller, request, document)
    except RefusedError as error:
        return JSONResponse({"error": str(error)}, 409)
    except TimeoutError:
        return JSONResponse({"error": "the controller is busy: ask for its status"}, 503)
    return JSONResponse(controller.status(), 202)


def _obey(controller: Controller, request: Request, document: dict[str, Any]) -> None:
    match request.url.path:
        case "/promote":
            controller.promote(
                site_lost=bool(document.get("site_lost")), force=bool(document.get("force"))
            )
        case "/failback":
            controller.fail_back(
                required=int(document.get("required", 1)),
                set_aside=tuple(document.get("set_aside", ())),
            )
        case "/cancel":
            controller.cancel()
        case _:
            controller.gate_report(request.path_params["site"], document)
