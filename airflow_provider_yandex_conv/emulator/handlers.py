"""
The vendor's endpoints of a conversation and its items.

A request's JSON goes to the state, and what the state says goes back as JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_yandex_conv.emulator.paging import PageQuery, item_list
from airflow_provider_yandex_conv.emulator.state import State


@dataclass(frozen=True)
class Asked:
    """
    What a request asks for.

    :param ids: the ids in its path.
    :param query: its query parameters.
    :param body: its JSON body; empty where it has none.
    """

    ids: Mapping[str, str]
    query: Mapping[str, str]
    body: dict[str, Any]


@dataclass(frozen=True)
class Endpoint:
    """
    One endpoint.

    :param operation: the vendor's name for it.
    :param path: below ``/v1``.
    """

    operation: str
    method: str
    path: str
    answer: Callable[[State, Asked], dict[str, Any]]


def _create_conversation(state: State, asked: Asked) -> dict[str, Any]:
    return state.create_conversation(asked.body).wire()


def _get_conversation(state: State, asked: Asked) -> dict[str, Any]:
    return state.conversation(asked.ids["conversation_id"]).wire()


def _update_conversation(state: State, asked: Asked) -> dict[str, Any]:
    return state.update_conversation(asked.ids["conversation_id"], asked.body).wire()


def _delete_conversation(state: State, asked: Asked) -> dict[str, Any]:
    return state.delete_conversation(asked.ids["conversation_id"])


def _create_items(state: State, asked: Asked) -> dict[str, Any]:
    return item_list(state.add_items(asked.ids["conversation_id"], asked.body), has_more=False)


def _list_items(state: State, asked: Asked) -> dict[str, Any]:
    page, has_more = state.list_items(asked.ids["conversation_id"], PageQuery.from_query(asked.query))
    return item_list(page, has_more=has_more)


def _get_item(state: State, asked: Asked) -> dict[str, Any]:
    return state.item(asked.ids["conversation_id"], asked.ids["item_id"])


def _delete_item(state: State, asked: Asked) -> dict[str, Any]:
    return state.delete_item(asked.ids["conversation_id"], asked.ids["item_id"]).wire()


_CONVERSATION = "/conversations/{conversation_id}"

#: Source: https://yandex.cloud/en/docs/ai-studio/conversations/
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("createConversation", "POST", "/conversations", _create_conversation),
    Endpoint("getConversation", "GET", _CONVERSATION, _get_conversation),
    Endpoint("updateConversation", "POST", _CONVERSATION, _update_conversation),
    Endpoint("deleteConversation", "DELETE", _CONVERSATION, _delete_conversation),
    Endpoint("createConversationItems", "POST", f"{_CONVERSATION}/items", _create_items),
    Endpoint("listConversationItems", "GET", f"{_CONVERSATION}/items", _list_items),
    Endpoint("getConversationItem", "GET", f"{_CONVERSATION}/items/{{item_id}}", _get_item),
    Endpoint("deleteConversationItem", "DELETE", f"{_CONVERSATION}/items/{{item_id}}", _delete_item),
)
