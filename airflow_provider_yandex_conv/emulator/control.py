"""
The control plane: what a test in another process sets and asks.

- ``GET /_emulator/state`` -> ``{"conversations": [...], "deleted": [...]}``, each conversation with its ``items``
- ``GET /_emulator/requests`` -> ``[RecordedRequest]``
- ``POST /_emulator/faults`` with a ``Fault`` as JSON
- ``PUT /_emulator/quotas`` with ``{"in_flight"?: int, "per_second"?: number}``
- ``PUT /_emulator/tokens`` with ``TokenSettings`` as JSON
- ``POST /_emulator/reset``
"""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_provider_yandex_conv.emulator.faults import Fault, Quotas
from airflow_provider_yandex_conv.emulator.issuer import TokenSettings
from airflow_provider_yandex_conv.emulator.service import Service


def routes(service: Service) -> list[Route]:
    """Return the routes of the control plane of a service."""

    async def state(request: Request) -> Response:
        return JSONResponse(service.state.dump())

    async def requests(request: Request) -> Response:
        return JSONResponse(service.recorder.dump())

    async def add_fault(request: Request) -> Response:
        try:
            service.faults.add(Fault.from_json(await _object(request)))
        except (TypeError, ValueError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return Response(status_code=204)

    async def set_quotas(request: Request) -> Response:
        try:
            service.faults.quotas = Quotas.from_json(await _object(request))
        except (TypeError, ValueError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return Response(status_code=204)

    async def set_tokens(request: Request) -> Response:
        try:
            service.issuer.settings = TokenSettings.from_json(await _object(request))
        except (TypeError, ValueError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return Response(status_code=204)

    async def reset(request: Request) -> Response:
        service.reset()
        return Response(status_code=204)

    return [
        Route("/_emulator/state", state, methods=["GET"]),
        Route("/_emulator/requests", requests, methods=["GET"]),
        Route("/_emulator/faults", add_fault, methods=["POST"]),
        Route("/_emulator/quotas", set_quotas, methods=["PUT"]),
        Route("/_emulator/tokens", set_tokens, methods=["PUT"]),
        Route("/_emulator/reset", reset, methods=["POST"]),
    ]


async def _object(request: Request) -> dict[str, Any]:
    parsed = json.loads(await request.body())
    if not isinstance(parsed, dict):
        raise TypeError("expected a JSON object")
    return parsed
