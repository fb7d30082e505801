"""Telling what is missing from an endpoint that is: both are answered with 404."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_yandex_conv.api import conversations
from airflow_provider_yandex_conv.exceptions import NotFoundError, UnsupportedEndpointError, YandexAIStudioError
from airflow_provider_yandex_conv.hooks.listing import iterate

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.api.wire import Call
    from airflow_provider_yandex_conv.sending import Caller

#: How many of the newest items are looked through to tell a missing item from a missing endpoint.
_LOOKED_THROUGH_ITEMS = 1000


@contextmanager
def not_found_or_not_offered(is_there: Callable[[], bool]) -> Iterator[None]:
    """
    Turn a 404 for something that can be read into ``UnsupportedEndpointError``.

    :param is_there: reads it, and tells whether it exists. Where that fails, the 404 stands.
    """
    try:
        yield
    except NotFoundError as error:
        if _can_be_read(is_there):
            not_offered = UnsupportedEndpointError(
                f"{error.message}, although it can be read",
                status=error.status,
                code=error.code,
                body=error.body,
                request_id=error.request_id,
                server_trace_id=error.server_trace_id,
                client_request_id=error.client_request_id,
            )
            not_offered.connection_id = error.connection_id
            not_offered.stored_item_ids = error.stored_item_ids
            raise not_offered from error
        raise


def check_removed(name: str, is_there: Callable[[], bool]) -> None:
    """
    Check that a 404 which followed a lost answer means what it seems to: that the lost attempt removed the thing.

    :param name: of the call, for the message.
    :raises UnsupportedEndpointError: it can still be read.
    """
    if _can_be_read(is_there):
        raise UnsupportedEndpointError(f"{name}: HTTP 404 Not Found, although it can be read", status=404)


def delete(client: Caller, thing: str, call: Call[Any], is_there: Callable[[], bool], *, ignore_missing: bool) -> bool:
    """
    Send a delete; return whether it, or an earlier attempt of it, removed something.

    :param thing: what it is, for the log: ``Item msg_1``.
    :param is_there: reads it, and tells whether it exists.
    :param ignore_missing: whether it is no error where it does not.
    """
    try:
        with not_found_or_not_offered(is_there):
            if client.send(call) is call.if_gone:
                check_removed(call.name, is_there)
    except NotFoundError:
        if not ignore_missing:
            raise
        client.log.info("%s is not there; nothing to delete", thing)
        return False
    return True


def delete_conversation(client: Caller, conversation_id: str, *, ignore_missing: bool) -> bool:
    """Delete a conversation, as :func:`delete` does."""
    is_there = partial(is_conversation, client, conversation_id)
    call = conversations.delete(conversation_id)
    return delete(client, f"Conversation {conversation_id}", call, is_there, ignore_missing=ignore_missing)


def is_conversation(client: Caller, conversation_id: str) -> bool:
    """Tell whether there is such a conversation, or raise ``NotFoundError``."""
    client.send(conversations.get(conversation_id))
    return True


def is_response(client: Caller, response_id: str) -> bool:
    """Tell whether there is such a response, or raise ``NotFoundError``."""
    from airflow_provider_yandex_conv.api import responses

    client.send(responses.get(response_id))
    return True


def is_item(client: Caller, conversation_id: str, item_id: str) -> bool:
    """Tell whether an item is among the newest of a conversation."""
    newest = iterate(client, conversation_id, order="desc", limit=_LOOKED_THROUGH_ITEMS)
    return any(item.id == item_id for item in newest)


def _can_be_read(is_there: Callable[[], bool]) -> bool:
    """Return what ``is_there`` does, or False where it fails."""
    try:
        return is_there()
    except YandexAIStudioError:
        return False
