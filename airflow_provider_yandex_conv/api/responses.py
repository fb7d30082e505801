"""
The five endpoints of model responses.

Source: https://yandex.cloud/en/docs/ai-studio/responses/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_yandex_conv.api.limits import check_objects
from airflow_provider_yandex_conv.api.models import ItemPage
from airflow_provider_yandex_conv.api.paging import MAX_PAGE_SIZE, Order, page_query
from airflow_provider_yandex_conv.api.response_models import ModelResponse, ResponseDeleted
from airflow_provider_yandex_conv.api.response_options import ResponseOptions, given_options
from airflow_provider_yandex_conv.api.wire import Call, Request, Safety, encode_id
from airflow_provider_yandex_conv.exceptions import ConfigurationError

if TYPE_CHECKING:
    from typing_extensions import Unpack  # in typing from Python 3.11 on


def create(
    input: str | Sequence[Mapping[str, Any]] | None = None,  # noqa: A002  # the vendor's word
    *,
    model: str | None = None,
    folder_id: str | None = None,
    conversation_id: str | None = None,
    allow_unsupported: bool = False,
    timeout_read: float | None = None,
    **options: Unpack[ResponseOptions],
) -> Call[ModelResponse]:
    """
    ``POST /responses`` with ``{"model"?: str, "input"?: str | [object], "conversation"?: str, ...}``.

    It bills, and adds input and output to the conversation; repeated, it does both again.

    :param input: a text, or items of any number; None lets the model answer what came before.
    :param model: a name, which becomes ``gpt://<folder_id>/<name>``, or a whole URI; may be left out with ``prompt``.
    :param folder_id: the folder of a model that is given by name.
    :param conversation_id: the conversation to read, and to add to.
    :param allow_unsupported: whether to send what the vendor does not support, or what is not known here.
    :param timeout_read: seconds that the answer may take; None for as long as the connection says.
    :param options: as in :class:`.ResponseOptions`.
    :raises ConfigurationError: an argument cannot be sent.
    """
    given = given_options(options, allow_unsupported=allow_unsupported)
    body: dict[str, Any] = {}
    if model is not None:
        body["model"] = _model_uri(model, folder_id)
    elif "prompt" not in given:
        raise ConfigurationError("a response needs a model, or a saved agent as prompt={'id': ...}")
    if input is not None:
        body["input"] = _checked_input(input)
    if conversation_id is not None:
        if "previous_response_id" in given:
            raise ConfigurationError("previous_response_id cannot be used with conversation_id; leave one of them out")
        encode_id("conversation_id", conversation_id)
        body["conversation"] = conversation_id
    return Call(
        name="create response",
        request=Request("POST", "responses", {**body, **given}, timeout_read=timeout_read),
        parse=ModelResponse.from_response,
        safety=Safety.CREATES,
    )


def get(response_id: str) -> Call[ModelResponse]:
    """
    ``GET /responses/{response_id}``.

    :raises ConfigurationError: the id is empty.
    """
    return Call(
        name="get response",
        request=Request("GET", _path(response_id)),
        parse=ModelResponse.from_response,
        safety=Safety.REPEATABLE,
    )


def cancel(response_id: str) -> Call[ModelResponse]:
    """
    ``POST /responses/{response_id}/cancel``, for a response in the background.

    A ``POST`` that may be repeated: a response that has ended stays as it is.

    :raises ConfigurationError: the id is empty.
    """
    return Call(
        name="cancel response",
        request=Request("POST", f"{_path(response_id)}/cancel"),
        parse=ModelResponse.from_response,
        safety=Safety.REPEATABLE,
    )


def delete(response_id: str) -> Call[ResponseDeleted]:
    """
    ``DELETE /responses/{response_id}``. What the response added to a conversation stays there.

    :raises ConfigurationError: the id is empty.
    """
    return Call(
        name="delete response",
        request=Request("DELETE", _path(response_id)),
        parse=ResponseDeleted.from_response,
        safety=Safety.REPEATABLE,
        if_gone=ResponseDeleted(),
    )


def input_items(
    response_id: str, *, order: Order = "asc", after: str | None = None, limit: int = MAX_PAGE_SIZE
) -> Call[ItemPage]:
    """
    ``GET /responses/{response_id}/input_items?order=&after=&limit=``.

    :param order: ``asc`` for oldest first; the vendor's own default is ``desc``.
    :param after: id of the item after which the page begins, in that order.
    :param limit: 1 to 100.
    :raises ConfigurationError: the id is empty, or an argument is out of its range.
    """
    query = page_query(order=order, after=after, limit=limit)
    return Call(
        name="list input items",
        request=Request("GET", f"{_path(response_id)}/input_items", query=query),
        parse=ItemPage.from_response,
        safety=Safety.REPEATABLE,
    )


def _model_uri(model: str, folder_id: str | None) -> str:
    if not isinstance(model, str) or not model.strip():
        raise ConfigurationError(f"model must be a name such as 'yandexgpt' or a URI, got {model!r}")
    if "://" in model:
        return model
    if not folder_id:
        raise ConfigurationError(
            f"model {model!r} needs a folder to become gpt://<folder_id>/{model}; set the extra folder_id of the "
            "connection, or give the whole URI"
        )
    return f"gpt://{folder_id}/{model}"


def _checked_input(content: str | Sequence[Mapping[str, Any]]) -> str | list[Mapping[str, Any]]:
    if not isinstance(content, str):
        return _checked_items(content)
    if not content.strip():
        raise ConfigurationError(
            f"input is empty ({len(content)} characters); check the task that should have set it, or leave it out to "
            "let the model answer what came before"
        )
    return content


def _checked_items(content: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    if isinstance(content, bytes | Mapping) or not isinstance(content, Sequence):
        raise ConfigurationError(f"input must be a string or a list of objects, got {type(content).__name__}")
    check_objects("input", content)
    return list(content)


def _path(response_id: str) -> str:
    return f"responses/{encode_id('response_id', response_id)}"
