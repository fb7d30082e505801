"""Creating one conversation of many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_yandex_conv.api import conversations
from airflow_provider_yandex_conv.api.limits import check_metadata
from airflow_provider_yandex_conv.bulk.source import Unreadable
from airflow_provider_yandex_conv.exceptions import AmbiguousOutcomeError, ConfigurationError, NotFoundError

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.api.models import Conversation
    from airflow_provider_yandex_conv.api.wire import Call
    from airflow_provider_yandex_conv.bulk.batch import Again, Job
    from airflow_provider_yandex_conv.bulk.window import Window

_FIELDS = {"metadata", "items"}


class ConversationWork:
    """
    Creates a conversation, and returns its id.

    :param may_recreate: whether to create again after an attempt whose outcome is unknown.
    :param metadata: pairs for each conversation; those of its own come first.
    """

    def __init__(self, *, may_recreate: bool, metadata: Mapping[str, str]) -> None:
        self._may_recreate = may_recreate
        self._metadata = metadata

    async def __call__(self, window: Window, job: Job, again: Again) -> str:
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
            await again(job, lost)


def call_of(spec: Any, metadata: Mapping[str, str]) -> Call[Conversation]:
    """
    Return the call that creates a conversation.

    :param spec: ``{"metadata"?: {str: str}, "items"?: [object]}``.
    :raises ConfigurationError: it is no such thing, or breaks a limit.
    """
    if isinstance(spec, Unreadable):
        raise ConfigurationError(spec.why)
    if not isinstance(spec, Mapping):
        raise ConfigurationError(f"a conversation must be an object with metadata and items, got {type(spec).__name__}")
    unknown = set(spec) - _FIELDS
    if unknown:
        names = ", ".join(sorted(str(name)[:80] for name in unknown))
        raise ConfigurationError(f"a conversation has metadata and items, and nothing else; got {names}")
    own = spec.get("metadata")
    if own is not None:
        check_metadata(own)
    return conversations.create(metadata={**metadata, **(own or {})} or None, items=spec.get("items"))
