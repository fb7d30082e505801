"""The eight calls, by the vendor's name of their endpoint."""

from __future__ import annotations

from airflow_provider_yandex_conv.api import conversations, items

#: Each with ids of things that need not exist.
CALLS = {
    "createConversation": conversations.create(),
    "getConversation": conversations.get("c1"),
    "updateConversation": conversations.update("c1", metadata={}),
    "deleteConversation": conversations.delete("c1"),
    "createConversationItems": items.create("c1", [{"role": "user", "content": "x"}]),
    "listConversationItems": items.list_page("c1"),
    "getConversationItem": items.get("c1", "i1"),
    "deleteConversationItem": items.delete("c1", "i1"),
}
#: The calls that leave the same state when they are repeated, by the vendor's name: how to build one for a conversation
#: and an item, what metadata is stored then, and how many items.
REPEATABLE = {
    "getConversation": (lambda conversation_id, _: conversations.get(conversation_id), [{"a": "b"}], 1),
    "updateConversation": (
        lambda conversation_id, _: conversations.update(conversation_id, metadata={"c": "d"}),
        [{"c": "d"}],
        1,
    ),
    "deleteConversation": (lambda conversation_id, _: conversations.delete(conversation_id), [], 0),
    "listConversationItems": (lambda conversation_id, _: items.list_page(conversation_id), [{"a": "b"}], 1),
    "getConversationItem": (items.get, [{"a": "b"}], 1),
    "deleteConversationItem": (items.delete, [{"a": "b"}], 0),
}
#: The calls that store something anew when they are repeated.
CREATING = {
    "createConversation": lambda conversation_id: conversations.create(metadata={"new": "one"}),
    "createConversationItems": lambda conversation_id: items.create(
        conversation_id, [{"role": "user", "content": "x"}]
    ),
}
