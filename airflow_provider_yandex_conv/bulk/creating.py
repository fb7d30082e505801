"""Creating one conversation of many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_yandex_conv.api import conversations
from airflow_provider_yandex_conv.api.limits import check_metadata
from airflow_provider_yandex_conv.bulk.source import fields_of
from airflow_provider_yandex_conv.exceptions import AmbiguousOutcomeError, NotFoundError

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.api.models import Conversation
    from airflow_provider_yandex_conv.api.wire import Call
    from airflow_provider_yandex_conv.bulk.job import Desk, Job
    from airflow_provider_yandex_conv.bulk.window import Window


class ConversationWork:
    """
    Creates a conversation, and returns its id.

    :param may_recreate: whether to create again after an attempt whose outcome is unknown.
    :param metadata: pairs for each conversation; those of its own come first.
    """

    notes_itself = False

    def __init__(self, *, may_recreate: bool, metadata: Mapping[str, str]) -> None:
        self._may_recreate = may_recreate
        self._metadata = metadata

    async def __call__(self, window: Window, job: Job, desk: Desk) -> str:
        """
        Create it.

        :raises ConfigurationError: it cannot be created as it is; nothing was sent.
        :raises AmbiguousOutcomeError: it may exist.
        :raises YandexAIStudioError: it does not exist.
        """
        call = call_of(job.spec, self._metadata)
        while True:
            try:
                return (await window.send(call, client_request_id=job.client_request_id, trial=job.trial)).id
            except NotFoundError as error:
                window.stop(error)  # of what is to be created, nothing can be missing
                raise
            except AmbiguousOutcomeError as error:
                if not self._may_recreate or not error.transient or error.gave_up or window.stopped is not None:
                    raise
                lost = error
            await desk.ask_again(job, lost)

    def close(self) -> None:
        """Free nothing, as it holds nothing."""


def call_of(spec: Any, metadata: Mapping[str, str]) -> Call[Conversation]:
    """
    Return the call that creates a conversation.

    :param spec: ``{"metadata"?: {str: str}, "items"?: [object]}``.
    :raises ConfigurationError: it is no such thing, or breaks a limit.
    """
    spec = fields_of(spec, "a conversation", "metadata", "items")
    own = spec.get("metadata")
    if own is not None:
        check_metadata(own)
    return conversations.create(metadata={**metadata, **(own or {})} or None, items=spec.get("items"))
