"""
The methods of the hook for model responses.

What a response is, is imported by the method that asks for one, as most tasks ask for none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_yandex_conv.hooks.base import ConnectedHook
from airflow_provider_yandex_conv.hooks.listing import iterate_pages
from airflow_provider_yandex_conv.hooks.unsupported import delete, is_response, not_found_or_not_offered

if TYPE_CHECKING:
    from typing_extensions import Unpack  # in typing from Python 3.11 on

    from airflow_provider_yandex_conv.api.models import Item
    from airflow_provider_yandex_conv.api.response_models import ModelResponse
    from airflow_provider_yandex_conv.api.response_options import ResponseOptions
    from airflow_provider_yandex_conv.sending import AttemptJournal, LostAttemptCallback


class ResponseMethods(ConnectedHook):
    """Creates, reads, cancels and deletes the responses of models."""

    def create_response(
        self,
        input: str | Sequence[Mapping[str, Any]] | None = None,  # noqa: A002  # the vendor's word
        *,
        model: str | None = None,
        conversation_id: str | None = None,
        allow_unsupported: bool = False,
        on_lost: LostAttemptCallback | None = None,
        journal: AttemptJournal | None = None,
        **options: Unpack[ResponseOptions],
    ) -> ModelResponse:
        """
        Let a model answer.

        ``POST /responses`` -> ``{"id": str, "object": "response", "status": str, "output": [item], "usage": object |
        null, "error": object | null, "conversation": {"id": str} | null, ...}``. It bills, and adds input and output to
        the conversation once they are complete.
        Source: https://yandex.cloud/en/docs/ai-studio/responses/createResponse

        What is returned may not be an answer: a response that failed is no error here, nor is one that was cut short or
        refused, or that has not ended as it is in the background. ``api.outcome.require_answer`` tells.

        Without ``background=True`` the request takes as long as the model: ``timeout_read`` must be longer.

        :param input: a text, or items such as ``{"role": "user", "content": "Hello"}``, of any number; None lets the
            model answer what came before.
        :param model: a name, which becomes ``gpt://<folder_id>/<name>`` in the folder of the connection, or a whole
            URI; may be left out with ``prompt``.
        :param conversation_id: the conversation that the model reads, and that input and output are added to.
        :param allow_unsupported: whether to send what the vendor marks as not supported, or what is not known here.
        :param on_lost: allows another attempt after one whose outcome is unknown, which may bill and be added to the
            conversation twice, and is told of each such attempt.
        :param journal: told of each attempt before it is sent, and of each that was certainly not applied.
        :param options: all other fields, such as ``prompt``, ``instructions``, ``tools``, ``text``, ``background``, as
            in :class:`~airflow_provider_yandex_conv.api.response_options.ResponseOptions`.
        :raises ConfigurationError: an argument or the connection cannot be used. Nothing was sent.
        :raises NotFoundError: there is no such conversation, agent or model.
        :raises AmbiguousOutcomeError: the answer was lost; the response may exist, and be billed.
        :raises YandexAIStudioError: the request failed; no response was created.
        """
        from airflow_provider_yandex_conv.api import responses

        call = responses.create(
            input,
            model=model,
            folder_id=self.get_conn().endpoint.folder_id,
            conversation_id=conversation_id,
            allow_unsupported=allow_unsupported,
            **options,
        )
        return self.get_conn().send(call, on_lost=on_lost, journal=journal)

    def get_response(self, response_id: str) -> ModelResponse:
        """
        Read a response.

        ``GET /responses/{response_id}`` -> as :meth:`create_response`.
        Source: https://yandex.cloud/en/docs/ai-studio/responses/getResponse

        :raises NotFoundError: there is none of that id, or it was created with ``store=False``.
        :raises YandexAIStudioError: the request failed.
        """
        from airflow_provider_yandex_conv.api import responses

        return self.get_conn().send(responses.get(response_id))

    def cancel_response(self, response_id: str) -> ModelResponse:
        """
        Cancel a response in the background, so that it costs nothing further; one that has ended stays as it is.

        ``POST /responses/{response_id}/cancel`` -> as :meth:`create_response`. It is repeated after a lost answer, as
        that changes nothing.
        Source: https://yandex.cloud/en/docs/ai-studio/responses/cancelResponse

        :raises BadRequestError: it is none in the background.
        :raises NotFoundError: there is none of that id.
        :raises UnsupportedEndpointError: the server does not offer the endpoint.
        :raises YandexAIStudioError: the request failed.
        """
        from airflow_provider_yandex_conv.api import responses

        with not_found_or_not_offered(partial(is_response, self.get_conn(), response_id)):
            return self.get_conn().send(responses.cancel(response_id))

    def delete_response(self, response_id: str, *, ignore_missing: bool = False) -> bool:
        """
        Delete a response. What it added to a conversation stays there.

        ``DELETE /responses/{response_id}`` -> nothing that is documented.
        Source: https://yandex.cloud/en/docs/ai-studio/responses/deleteResponse

        :param ignore_missing: whether a response that is not there is no error.
        :return: True if it was deleted, False if it was not there.
        :raises NotFoundError: there is none of that id, and it was not an earlier attempt of this call that removed it.
        :raises UnsupportedEndpointError: the server does not offer the endpoint.
        :raises YandexAIStudioError: the request failed.
        """
        from airflow_provider_yandex_conv.api import responses

        return delete(
            self.get_conn(),
            f"Response {response_id}",
            responses.delete(response_id),
            partial(is_response, self.get_conn(), response_id),
            ignore_missing=ignore_missing,
        )

    def list_input_items(
        self,
        response_id: str,
        *,
        order: Literal["asc", "desc"] = "asc",
        after: str | None = None,
        page_size: int = 100,
        limit: int | None = None,
    ) -> Iterator[Item]:
        """
        Return an iterator over the items of a response's input, which reads a page when it needs one.

        ``GET /responses/{response_id}/input_items`` -> ``{"object": "list", "data": [item], "has_more": bool,
        "first_id": str, "last_id": str}``, for each page.
        Source: https://yandex.cloud/en/docs/ai-studio/responses/listInputItems

        :param order: ``asc`` for oldest first, ``desc`` for newest first.
        :param after: id of the item after which to begin, in that order.
        :param page_size: how many items one request asks for, 1 to 100.
        :param limit: how many items at most; None for all.
        :raises ConfigurationError: an argument is out of its range. Nothing was sent.
        :raises NotFoundError: there is no such response; while iterating.
        :raises YandexAIStudioError: a request failed; while iterating.
        """
        from airflow_provider_yandex_conv.api import responses

        page = partial(responses.input_items, response_id, order=order)
        return iterate_pages(self.get_conn(), page, after=after, page_size=page_size, limit=limit)
