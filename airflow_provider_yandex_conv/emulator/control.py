"""
The control plane: what a test in another process sets and asks.

- ``GET /_emulator/state`` -> ``{"conversations": [...], "deleted": [...], "responses": [...], "deleted_responses":
  [...]}``, each conversation with its ``items`` and each response with its ``input``
- ``GET /_emulator/requests`` -> ``[RecordedRequest]``
- ``POST /_emulator/faults`` with a ``Fault`` as JSON
- ``POST /_emulator/answers`` with an ``Answer`` as JSON
- ``PUT /_emulator/quotas`` with ``{"in_flight"?: int, "per_second"?: number}``
- ``PUT /_emulator/tokens`` with ``TokenSettings`` as JSON
- ``GET /_emulator/held`` -> ``[RecordedRequest]``, those that a fault with ``hold`` keeps
- ``POST /_emulator/release`` lets them go, and the responses that an answer with ``hold`` keeps
- ``POST /_emulator/reset``
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_provider_yandex_conv.emulator.answers import Answer
from airflow_provider_yandex_conv.emulator.faults import Fault, Quotas
from airflow_provider_yandex_conv.emulator.issuer import TokenSettings
from airflow_provider_yandex_conv.emulator.service import Service


def routes(service: Service) -> list[Route]:
    """Return the routes of the control plane of a service."""
    plane = _ControlPlane(service)
    return [
        Route("/_emulator/state", plane.state, methods=["GET"]),
        Route("/_emulator/requests", plane.requests, methods=["GET"]),
        Route("/_emulator/faults", plane.add_fault, methods=["POST"]),
        Route("/_emulator/answers", plane.add_answer, methods=["POST"]),
        Route("/_emulator/quotas", plane.set_quotas, methods=["PUT"]),
        Route("/_emulator/tokens", plane.set_tokens, methods=["PUT"]),
        Route("/_emulator/held", plane.held, methods=["GET"]),
        Route("/_emulator/release", plane.release, methods=["POST"]),
        Route("/_emulator/reset", plane.reset, methods=["POST"]),
    ]


class _ControlPlane:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def state(self, request: Request) -> Response:
        return JSONResponse(self._service.dump())

    async def requests(self, request: Request) -> Response:
        return JSONResponse(self._service.recorder.dump())

    async def add_fault(self, request: Request) -> Response:
        return await _set(request, lambda spec: self._service.faults.add(Fault.from_json(spec)))

    async def add_answer(self, request: Request) -> Response:
        return await _set(request, lambda spec: self._service.responses.script.add(Answer.from_json(spec)))

    async def set_quotas(self, request: Request) -> Response:
        def accept(spec: dict[str, Any]) -> None:
            self._service.faults.quotas = Quotas.from_json(spec)

        return await _set(request, accept)

    async def set_tokens(self, request: Request) -> Response:
        def accept(spec: dict[str, Any]) -> None:
            self._service.issuer.settings = TokenSettings.from_json(spec)

        return await _set(request, accept)

    async def held(self, request: Request) -> Response:
        return JSONResponse([asdict(one) for one in self._service.holds.held()])

    async def release(self, request: Request) -> Response:
        self._service.release()
        return Response(status_code=204)

    async def reset(self, request: Request) -> Response:
        self._service.reset()
        return Response(status_code=204)


async def _set(request: Request, accept: Callable[[dict[str, Any]], None]) -> Response:
    """Hand on what was sent, or say what is wrong with it."""
    try:
        accept(_object(await request.body()))
    except (TypeError, ValueError) as error:
        return JSONResponse({"error": str(error)}, status_code=400)
    return Response(status_code=204)


def _object(body: bytes) -> dict[str, Any]:
    parsed = json.loads(body)
    if not isinstance(parsed, dict):
        raise TypeError("expected a JSON object")
    return parsed
