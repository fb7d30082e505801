"""The vendor's endpoints of model responses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_yandex_conv.emulator.errors import APIError
from airflow_provider_yandex_conv.emulator.handlers import Asked
from airflow_provider_yandex_conv.emulator.paging import PageQuery, item_list, page_of
from airflow_provider_yandex_conv.emulator.response_request import ResponseRequest

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.emulator.service import Service


@dataclass(frozen=True)
class ResponseEndpoint:
    """
    One endpoint, whose answer may take its time.

    :param operation: the vendor's name for it.
    :param path: below ``/v1``.
    """

    operation: str
    method: str
    path: str
    answer: Callable[[Service, Asked], Awaitable[dict[str, Any]]]


async def _create_response(service: Service, asked: Asked) -> dict[str, Any]:
    request = ResponseRequest.from_body(asked.body, service.state.item_by_id, service.folder_id)
    return await service.responses.create(request)


async def _get_response(service: Service, asked: Asked) -> dict[str, Any]:
    if asked.query.get("stream", "false") != "false":
        raise APIError(400, "The emulator does not stream: leave 'stream' out.", code="unsupported_parameter")
    return service.responses.read(asked.ids["response_id"])


async def _cancel_response(service: Service, asked: Asked) -> dict[str, Any]:
    return service.responses.cancel(asked.ids["response_id"])


async def _delete_response(service: Service, asked: Asked) -> dict[str, Any]:
    return service.responses.delete(asked.ids["response_id"])


async def _list_input_items(service: Service, asked: Asked) -> dict[str, Any]:
    response = service.responses.find(asked.ids["response_id"])
    page, has_more = page_of(response.request.items, PageQuery.from_query(asked.query), "the response's input")
    return item_list(page, has_more=has_more)


_RESPONSE = "/responses/{response_id}"

#: Source: https://yandex.cloud/en/docs/ai-studio/responses/
RESPONSE_ENDPOINTS: tuple[ResponseEndpoint, ...] = (
    ResponseEndpoint("createResponse", "POST", "/responses", _create_response),
    ResponseEndpoint("getResponse", "GET", _RESPONSE, _get_response),
    ResponseEndpoint("cancelResponse", "POST", f"{_RESPONSE}/cancel", _cancel_response),
    ResponseEndpoint("deleteResponse", "DELETE", _RESPONSE, _delete_response),
    ResponseEndpoint("listInputItems", "GET", f"{_RESPONSE}/input_items", _list_input_items),
)
