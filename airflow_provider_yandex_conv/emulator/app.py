"""
The ASGI application: the vendor's routes under ``/v1``, those that issue tokens, and the control plane.

The latter is under ``/_emulator``.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from airflow_provider_yandex_conv.emulator import control
from airflow_provider_yandex_conv.emulator.errors import APIError, error_response
from airflow_provider_yandex_conv.emulator.faults import Fault
from airflow_provider_yandex_conv.emulator.handlers import ENDPOINTS, Asked, Endpoint
from airflow_provider_yandex_conv.emulator.recorder import RecordedRequest
from airflow_provider_yandex_conv.emulator.responses import RESPONSE_ENDPOINTS, ResponseEndpoint
from airflow_provider_yandex_conv.emulator.service import Service
from airflow_provider_yandex_conv.emulator.token_handlers import TOKEN_ENDPOINTS, AskedForToken, TokenEndpoint
from airflow_provider_yandex_conv.emulator.wire import Broken, Dropped

Handler = Callable[[Request], Awaitable[Response]]
AnyEndpoint = Endpoint | ResponseEndpoint | TokenEndpoint

_API_ENDPOINTS: tuple[Endpoint | ResponseEndpoint, ...] = (*ENDPOINTS, *RESPONSE_ENDPOINTS)


def build_app(service: Service) -> ASGIApp:
    """Return the application for a service."""
    gate = _Gate(service)
    routes = [
        Route(f"/v1{endpoint.path}", gate.endpoint(endpoint), methods=[endpoint.method]) for endpoint in _API_ENDPOINTS
    ]
    routes += [Route(endpoint.path, gate.endpoint(endpoint), methods=[endpoint.method]) for endpoint in TOKEN_ENDPOINTS]
    app = Starlette(
        routes=[*routes, *control.routes(service)],
        exception_handlers={404: gate.no_such_route, 405: gate.no_such_route},
    )
    app.router.redirect_slashes = False  # the vendor's routes have none at the end, and a redirect would hide that
    return _route_by_encoded_path(app)


def _route_by_encoded_path(app: ASGIApp) -> ASGIApp:
    """Match routes with the path as it was sent: an id may hold an encoded slash."""

    async def routed(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "path": scope["raw_path"].decode("ascii")}, receive, send)

    return routed


class _Gate:
    """What every request passes: it is recorded, held against quotas, key and folder, and may meet a fault."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._late: set[asyncio.Task[None]] = set()

    def endpoint(self, endpoint: AnyEndpoint) -> Handler:
        async def handle(request: Request) -> Response:
            recorded = await self._record(request, endpoint.operation)
            quotas = self._service.faults.quotas
            refusal = quotas.enter()
            try:
                response = await self._answer(request, recorded, endpoint, refusal)
            finally:
                quotas.leave()
            if not isinstance(response, Dropped):
                recorded.status = response.status_code
            return response

        return handle

    async def no_such_route(self, request: Request, exc: Exception) -> Response:
        """Answer a route that the vendor does not have in a way that a person can read."""
        await self._record(request, None)
        try:
            self._check_credential(request)
        except APIError as refusal:
            return refusal.response(_ids(request))
        routes = [f"{endpoint.method} /v1{endpoint.path}" for endpoint in _API_ENDPOINTS]
        served = ", ".join([*routes, *(f"{endpoint.method} {endpoint.path}" for endpoint in TOKEN_ENDPOINTS)])
        message = f"The emulator has no route {request.method} {request.url.path}. It serves: {served}."
        return error_response(
            exc.status_code if isinstance(exc, HTTPException) else 404,
            message,
            code="unknown_route",
            headers=_ids(request),
        )

    async def _answer(
        self,
        request: Request,
        recorded: RecordedRequest,
        endpoint: AnyEndpoint,
        over_quota: str | None,
    ) -> Response:
        if over_quota is not None:
            return error_response(429, over_quota, shape="grpc", headers=_ids(request))
        fault = self._service.faults.take(endpoint.operation)
        if fault is None:
            return await self._carry_out(request, endpoint)
        if fault.late is not None:
            late = asyncio.create_task(self._carry_out_late(request, endpoint, fault))
            self._late.add(late)  # the loop keeps no task alive by itself
            late.add_done_callback(self._late.discard)
        if fault.hold == "before":
            await self._service.holds.wait(recorded)
        await asyncio.sleep(fault.work)
        real = await self._carry_out(request, endpoint, keep=fault.keep) if fault.does_it else None
        if fault.hold == "after":
            await self._service.holds.wait(recorded)
        await _sleep(request, fault.delay)
        return _faulty(request, fault, real)

    async def _carry_out_late(self, request: Request, endpoint: AnyEndpoint, fault: Fault) -> None:
        resets = self._service.resets
        await asyncio.sleep(fault.late or 0)
        if resets == self._service.resets:  # else it would be done to what another test has begun with
            await self._carry_out(request, endpoint, keep=fault.keep)

    async def _carry_out(self, request: Request, endpoint: AnyEndpoint, *, keep: int | None = None) -> Response:
        try:
            if isinstance(endpoint, TokenEndpoint):
                asked_for_token = AskedForToken(str(request.url), request.headers, await request.body())
                return JSONResponse(endpoint.answer(self._service.issuer, asked_for_token), headers=_ids(request))
            self._check_credential(request)
            ids = {name: unquote(value) for name, value in request.path_params.items()}
            body = _json_object(await request.body())
            if keep is not None and isinstance(body.get("items"), list):
                body["items"] = body["items"][:keep]
            asked = Asked(ids, request.query_params, body)
            if isinstance(endpoint, ResponseEndpoint):
                return JSONResponse(await endpoint.answer(self._service, asked), headers=_ids(request))
            return JSONResponse(endpoint.answer(self._service.state, asked), headers=_ids(request))
        except APIError as refusal:
            return refusal.response(_ids(request))

    def _check_credential(self, request: Request) -> None:
        key = self._service.api_key
        if key is not None and not self._accepts(key, request.headers.get("authorization", "")):
            raise APIError(401, "Unknown api key", shape="rpc_status")
        folder = request.headers.get("openai-project")
        if self._service.folder_id is not None and folder not in {None, self._service.folder_id}:
            raise APIError(
                400,
                f"Specified folder ID '{folder}' does not match with service account folder ID "
                f"'{self._service.folder_id}'",
                shape="rpc_status",
            )

    def _accepts(self, key: str, authorization: str) -> bool:
        scheme, _, secret = authorization.partition(" ")
        if scheme == "Bearer" and self._service.issuer.knows(secret):
            return True
        return scheme in {"Api-Key", "Bearer"} and secret == key

    async def _record(self, request: Request, operation: str | None) -> RecordedRequest:
        headers = dict(request.headers)
        if "authorization" in headers:
            scheme, _, secret = headers["authorization"].partition(" ")
            headers["authorization"] = scheme if secret else "***"
        recorded = RecordedRequest(
            operation=operation,
            method=request.method,
            path=request.scope["raw_path"].decode("ascii"),
            query=dict(request.query_params),
            headers=headers,
            body=_json_or_text(await request.body()),
            received_at=time.time(),
        )
        self._service.recorder.add(recorded)
        return recorded


async def _sleep(request: Request, seconds: float) -> None:
    """Wait, or until the client has gone."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not await request.is_disconnected():  # noqa: ASYNC110  # no event
        await asyncio.sleep(min(left, 0.05))


def _faulty(request: Request, fault: Fault, real: Response | None) -> Response:
    if fault.drop is not None:
        return Dropped(reset=fault.drop == "reset")
    headers = {**_ids(request), **fault.headers}
    if fault.body is not None:
        response = Response(fault.body, fault.status or 200, headers, media_type="application/json")
    elif fault.status is not None or real is None:
        response = error_response(
            fault.status or 500, fault.message, shape=fault.shape, code=fault.code, headers=headers
        )
    else:
        response = real
        response.headers.update(fault.headers)
    if fault.truncate is not None or fault.trickle is not None:
        return Broken(response, fault)
    return response


def _ids(request: Request) -> dict[str, str]:
    """Return the headers by which the vendor names a request; the client's own id is echoed."""
    trace = uuid.uuid4().hex
    ids = {"x-request-id": str(uuid.uuid4()), "x-server-trace-id": f"{trace[:16]}:{trace[16:]}:{trace[:16]}:1"}
    echoed = request.headers.get("x-client-request-id")
    return ids if echoed is None else {**ids, "x-client-request-id": echoed}


def _json_object(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        parsed = _strict_json(body)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise APIError(400, "We could not parse the JSON body of your request.", code="invalid_json")
    return parsed


def _json_or_text(body: bytes) -> Any:
    if not body:
        return None
    try:
        return _strict_json(body)
    except ValueError:
        return body.decode("utf-8", errors="replace")


def _strict_json(body: bytes) -> Any:
    """Return JSON that can be sent back as well: without half characters, NaN or bottomless nesting."""
    try:
        parsed = json.loads(body)
        json.dumps(parsed, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return parsed
