"""The responses that the emulator makes, and how each comes to its end."""

from __future__ import annotations

import asyncio
import threading
import time
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_yandex_conv.emulator.answers import BACKGROUND_SECONDS, Answer, Script
from airflow_provider_yandex_conv.emulator.errors import APIError
from airflow_provider_yandex_conv.emulator.holds import Holds
from airflow_provider_yandex_conv.emulator.model import Said, Seen, say
from airflow_provider_yandex_conv.emulator.new_items import new_id
from airflow_provider_yandex_conv.emulator.response_request import ResponseRequest
from airflow_provider_yandex_conv.emulator.state import State

#: What a response has before its end.
_UNDER_WAY = {"queued", "in_progress"}


@dataclass
class StoredResponse:
    """
    A response.

    :param before: the items that the model sees before the input.
    :param said: what the model gave; None as long as the response is under way.
    """

    request: ResponseRequest
    answer: Answer
    before: list[dict[str, Any]]
    status: str
    id: str = field(default_factory=lambda: new_id("resp"))
    created_at: int = field(default_factory=lambda: int(time.time()))
    said: Said | None = None
    reads: int = 0

    @property
    def output(self) -> list[dict[str, Any]]:
        """The items that the model gave."""
        return [] if self.said is None else self.said.output

    def wire(self, status: str | None = None) -> dict[str, Any]:
        """
        As the API answers.

        :param status: told in place of the real one, as if the model had not spoken.
        """
        said = self.said if status is None else None
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created_at,
            "status": status or self.status,
            "error": said and deepcopy(said.error),
            "incomplete_details": {"reason": said.reason} if said and said.reason else None,
            "output": deepcopy(said.output) if said else [],
            "usage": said and deepcopy(said.usage),
            **self.request.echoed(),
        }


class Responses:
    """
    All responses, by id. May be used by several threads.

    They begin and end in the loop of the server, whether or not anybody waits for them.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._lock = threading.RLock()
        self._all: dict[str, StoredResponse] = {}
        self._deleted: dict[str, StoredResponse] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.script = Script()
        self.holds: Holds[str] = Holds()

    def reset(self) -> None:
        """Forget everything, responses that are under way included."""
        with self._lock:
            self._all.clear()
            self._deleted.clear()
        self.script.reset()
        self.holds.release()

    def dump(self) -> dict[str, list[dict[str, Any]]]:
        """Return ``{"responses": [...], "deleted_responses": [...]}``, each response with its ``input`` items."""
        with self._lock:
            return {
                name: [{**one.wire(), "input": deepcopy(one.request.items)} for one in store.values()]
                for name, store in (("responses", self._all), ("deleted_responses", self._deleted))
            }

    async def create(self, request: ResponseRequest) -> dict[str, Any]:
        """Begin a response, and wait for its end unless it is one in the background."""
        before = self._before(request)
        answer = self.script.take(_seen(request, before).last_text)
        response = StoredResponse(request, answer, before, "queued" if request.background else "in_progress")
        with self._lock:
            self._all[response.id] = response
        running = asyncio.create_task(self._run(response))
        self._tasks.add(running)  # the loop keeps no task alive by itself
        running.add_done_callback(self._tasks.discard)
        if not request.background:
            await running
        return response.wire()

    def read(self, response_id: str) -> dict[str, Any]:
        """Return a response as a reader gets it: with a status of its script, as long as there are any."""
        with self._lock:
            response = self.find(response_id)
            response.reads += 1
            return response.wire(next(iter(response.answer.reads[response.reads - 1 :]), None))

    def find(self, response_id: str) -> StoredResponse:
        """Return a response that was stored, or refuse with 404."""
        with self._lock:
            response = self._all.get(response_id)
            if response is None or not response.request.store:
                raise APIError(404, f"Response with id '{response_id}' not found.", shape="flat", code="not_found")
            return response

    def cancel(self, response_id: str) -> dict[str, Any]:
        """Cancel a response in the background. One that has ended stays as it is."""
        with self._lock:
            response = self.find(response_id)
            if not response.request.background:
                raise APIError(400, "Only background responses can be cancelled.", code="invalid_request")
            if response.status in _UNDER_WAY:
                response.status = "cancelled"
            return response.wire()

    def delete(self, response_id: str) -> dict[str, Any]:
        """Delete a response; what it added to a conversation stays."""
        with self._lock:
            self._deleted[response_id] = self.find(response_id)
            del self._all[response_id]
            return {"id": response_id, "object": "response", "deleted": True}

    def _before(self, request: ResponseRequest) -> list[dict[str, Any]]:
        """Return the items that a request goes on from."""
        if request.conversation_id is not None:
            return deepcopy(self._state.conversation(request.conversation_id).items)
        if request.previous_response_id is None:
            return []
        try:
            previous = self.find(request.previous_response_id)
        except APIError:
            message = f"Previous response with id '{request.previous_response_id}' not found."
            raise APIError(400, message, code="previous_response_not_found") from None
        return [*previous.before, *previous.request.items, *previous.output]

    async def _run(self, response: StoredResponse) -> None:
        delay = response.answer.delay
        if delay is None:
            delay = BACKGROUND_SECONDS if response.request.background else 0.0
        await asyncio.sleep(delay / 2)
        self._advance(response, None)
        await asyncio.sleep(delay / 2)
        if response.answer.hold:
            await self.holds.wait(response.id)
        self._advance(response, say(_seen(response.request, response.before), response.answer))

    def _advance(self, response: StoredResponse, said: Said | None) -> None:
        """Move a response on, to its end where the model has spoken; not one that is gone or was cancelled."""
        with self._lock:
            if self._all.get(response.id) is not response or response.status not in _UNDER_WAY:
                return
            response.said = said
            response.status = "in_progress" if said is None else said.status
            appends = response.answer.appends if response.answer.appends is not None else bool(response.output)
            if said is not None and appends and response.request.conversation_id is not None:
                items = [*response.request.items, *said.output]
                self._state.append_items(response.request.conversation_id, items)


def _seen(request: ResponseRequest, before: list[dict[str, Any]]) -> Seen:
    return Seen([*before, *request.items], request.instructions, request.text_format, request.max_output_tokens)
