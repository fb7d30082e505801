"""For any list of items, and any single fault at any point of an add, the stored list is the wanted one."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.emulator.server import Emulator
from airflow_provider_yandex_conv.hooks.yandex_ai_studio import YandexAIStudioHook
from fault_table import LOST, REFUSED

FAST = RequestRetry(attempts=4, wait_initial=0.01, wait_max=2, timeout=30)
TIMEOUT = 0.2

#: Few texts, so that equal items stand beside each other and behind those that were there before.
_TEXT = st.sampled_from(["a", "b", "before"])
_PART = st.builds(lambda text: {"type": "input_text", "text": text}, _TEXT)
_ITEM = st.one_of(
    st.builds(lambda role, text: {"role": role, "content": text}, st.sampled_from(["user", "assistant"]), _TEXT),
    st.builds(lambda parts: {"type": "message", "role": "user", "content": parts}, st.lists(_PART, max_size=2)),
    st.builds(lambda text: {"type": "function_call_output", "call_id": "c1", "output": text}, _TEXT),
    st.builds(lambda text: {"type": "brand_new", "deep": {"x": [1, text, None]}}, _TEXT),
)
#: A fault by its name in the tables, when it is carried out, and how much of it.
_FAULT = st.one_of(
    st.builds(dict, st.sampled_from(list(REFUSED.values()))),
    st.builds(
        lambda fault, applied, keep: {**fault, "applied": applied, "keep": keep},
        st.sampled_from(list(LOST.values())),
        st.booleans(),
        st.sampled_from([None, 0, 1, 7]),
    ),
    st.builds(
        lambda fault, late: {**fault, "late": late},
        st.sampled_from([{"drop": "reset"}, {"drop": "close"}, {"status": 504}, {"status": 408}, {"status": 499}]),
        st.sampled_from([0.02, 0.1]),
    ),
)


@pytest.fixture(scope="module")
def server():
    with Emulator() as emulator:
        yield emulator


def as_stored(item):
    """Return what of an item is kept as it was sent."""
    if item.get("type", "message") != "message":
        return {name: value for name, value in item.items() if name not in {"id", "status"}}
    content = item["content"]
    return item["role"], [content] if isinstance(content, str) else [part["text"] for part in content]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    items=st.lists(_ITEM, max_size=43),
    fault=_FAULT,
    skip=st.integers(0, 3),
    where=st.sampled_from(["createConversationItems", "createConversationItems", "listConversationItems", "*"]),
)
def test_the_stored_list_is_the_wanted_one(server, monkeypatch, items, fault, skip, where):
    monkeypatch.setenv("AIRFLOW_CONN_YANDEX_AI_STUDIO_DEFAULT", server.connection(timeout_read=TIMEOUT))
    server.reset()
    # With time enough: on a busy machine the short timeout of the add may cut off a create, which is not sent again.
    patient = YandexAIStudioHook(timeout_read=30)
    conversation_id = patient.create_conversation(items=[{"role": "user", "content": "before"}]).id
    hook = YandexAIStudioHook(request_retry=FAST)
    server.fail(where, skip=skip, **fault)
    added = hook.add_items(conversation_id, items)
    wanted = [as_stored(item) for item in items]
    assert [as_stored(item.raw) for item in added] == wanted
    kept = server.conversations[0]["items"][1:]
    assert [as_stored(item) for item in kept] == wanted
    assert [item.id for item in added] == [item["id"] for item in kept]
