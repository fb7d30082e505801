"""The operator that lets a model answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_provider_yandex_conv._compat import AirflowFailException, TaskDeferred, conf
from airflow_provider_yandex_conv.api.arguments import check_choice
from airflow_provider_yandex_conv.exceptions import (
    ConfigurationError,
    InterruptedCallError,
    PollTimeoutError,
    ResponseError,
    YandexAIStudioError,
)
from airflow_provider_yandex_conv.operators.base import YandexAIStudioOperator
from airflow_provider_yandex_conv.operators.links import CONVERSATION_LINKS

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_yandex_conv.api.response_models import ModelResponse
    from airflow_provider_yandex_conv.api.wire import Call
    from airflow_provider_yandex_conv.durable import Ledger
    from airflow_provider_yandex_conv.operators.asking import ResponseAsker


class YandexCreateResponseOperator(YandexAIStudioOperator):
    """
    Let a model answer, in a conversation or outside of any, and return what it says.

    XCom: the return value is the text of the answer, or with ``output_schema`` the object that it holds. ``status`` and
    ``usage`` are pushed whatever the response ends with, ``response_id`` and ``conversation_id`` as soon as there is a
    response. ``usage`` is ``{"<try_number>": {"response_id": str, "input_tokens": int, "output_tokens": int,
    "total_tokens": int, "cached_tokens": int, "reasoning_tokens": int}}``, with the earlier tries where ``durable``
    keeps them.

    A response bills, and adds a turn to the conversation. The vendor has no idempotency key; ``on_ambiguous`` says what
    happens when nobody can tell whether a request was carried out.

    :param input: a text, or items such as ``{"role": "user", "content": "Hello"}``; None lets the model answer what the
        conversation holds. (templated)
    :param model: a name such as ``yandexgpt``, which is completed by the folder of the connection, or a whole URI;
        may be left out with ``prompt``. (templated)
    :param prompt: a saved agent: ``{"id": str, "version"?: str, "variables"?: object}``. (templated)
    :param conversation_id: the conversation that the model reads and adds to. (templated)
    :param instructions: what the model is told for this response only. (templated)
    :param tools: objects that describe what the model may call. (templated)
    :param output_schema: a JSON Schema, or a pydantic model, that the answer has to fit.
    :param max_output_tokens: how many tokens the model may give.
    :param temperature: from 0 for the likeliest words to 1 for the most varied ones.
    :param options: further fields of the request, such as ``{"tool_choice": "none"}``. (templated)
    :param allow_unsupported: whether to send what the vendor marks as not supported, or what is not known here.
    :param background: whether the server answers at once, and the response is looked for later. None does so where the
        task is deferred. It survives a worker that dies: the retry goes on waiting for the same response.
    :param deferrable: whether to wait in the triggerer, which takes no worker. Airflow's ``[operators]
        default_deferrable`` says so where this does not.
    :param poll_interval: seconds before the second look for the response; the waits grow to 15 s.
    :param timeout: seconds to wait for the response, and for an answer that was lost.
    :param durable: keep what the task does in Airflow's task state store (Airflow 3.3 and later), so that a retry uses
        the response that an earlier try asked for. A task that is cleared by a user asks, and pays, again.
    :param on_ambiguous: ``recover`` looks for the answer in the conversation until ``timeout``; it is the default
        inside of one. ``fail`` fails the task at once, with its retries unused; it is the default outside. ``recreate``
        looks as ``recover`` does, and then asks, and perhaps pays, once more.
    :param yandex_ai_studio_conn_id: id of the Airflow connection. (templated)
    :param request_retry: when a request is sent again; replaces what the connection says, as do ``timeout_connect`` and
        ``timeout_read``, in seconds.
    """

    operator_extra_links = CONVERSATION_LINKS
    template_fields: Sequence[str] = (
        "yandex_ai_studio_conn_id",
        "conversation_id",
        "input",
        "model",
        "prompt",
        "instructions",
        "tools",
        "options",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "input": "json",
        "prompt": "json",
        "tools": "json",
        "options": "json",
    }

    def __init__(
        self,
        *,
        input: str | Sequence[Mapping[str, Any]] | None = None,  # noqa: A002  # the vendor's word
        model: str | None = None,
        prompt: Mapping[str, Any] | None = None,
        conversation_id: str | None = None,
        instructions: str | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        output_schema: Any = None,
        max_output_tokens: int | None = None,
        temperature: float | None = None,
        options: Mapping[str, Any] | None = None,
        allow_unsupported: bool = False,
        background: bool | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float = 1.0,
        timeout: float = 600.0,
        durable: bool = True,
        on_ambiguous: Literal["recover", "fail", "recreate"] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if on_ambiguous is not None:
            check_choice("on_ambiguous", on_ambiguous, "recover", "fail", "recreate")
        self.input = input
        self.model = model
        self.prompt = prompt
        self.conversation_id = conversation_id
        self.instructions = instructions
        self.tools = tools
        self.output_schema = output_schema
        self.max_output_tokens = max_output_tokens
        self.temperature = temperature
        self.options = options
        self.allow_unsupported = allow_unsupported
        self.background = deferrable if background is None else background
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.durable = durable
        self.on_ambiguous = on_ambiguous

    def execute(self, context: Context) -> Any:
        """
        Ask, or find what an earlier try asked for, and wait for the answer.

        :return: the text, or the object that was asked for.
        :raises AirflowFailException: no retry can mend it, or a retry might pay twice.
        :raises ResponseError: the response is no answer; a retry asks again.
        :raises YandexAIStudioError: a retry of the task may mend it.
        """
        with self.outcome():
            call = self._call()
            ledger = self._ledger(context, call)
            asker = self._asker(call, ledger)
            response = asker.ask()
            with self._said_if_it_is_lost(response, ledger):
                self.push(context, response_id=response.id or None)
                if self.conversation_id is not None:
                    self.push(context, conversation_id=self.conversation_id)
                if not response.is_terminal:
                    if self.deferrable:
                        self._defer(response, asker.deadline)
                    response = self._wait(asker, response, ledger)
                return self._finish(context, response, ledger)

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> Any:
        """
        Go on when the trigger has fired: read the response, as an event is no place for an answer.

        :param event: of :class:`.YandexResponseTrigger`.
        :raises AirflowFailException: no retry can mend it, or a retry might pay twice.
        :raises ResponseError: the response is no answer; a retry asks again.
        :raises YandexAIStudioError: a retry of the task may mend it.
        """
        with self.outcome():
            ledger = self._ledger(context, self._call())
            response = self.hook.get_response(event["response_id"])
            self.push(context, response_id=response.id)
            if not response.is_terminal:
                if event.get("error"):
                    self.log.warning("Waiting for response %s ended: %s", response.id, event["error"])
                raise self._timed_out(response, ledger)
            return self._finish(context, response, ledger)

    @cached_property
    def _schema(self) -> Mapping[str, Any] | None:
        from airflow_provider_yandex_conv.operators.schema import json_schema

        return None if self.output_schema is None else json_schema(self.output_schema)

    def _call(self) -> Call[ModelResponse]:
        from airflow_provider_yandex_conv.api import responses

        options = dict(self.options or {})
        if self._schema is not None:
            if "text" in options:
                raise ConfigurationError("output_schema and options['text'] both say what the answer looks like")
            from airflow_provider_yandex_conv.operators.schema import text_format

            options["text"] = text_format(self._schema)
        given = {
            "prompt": self.prompt,
            "instructions": self.instructions,
            "tools": self.tools,
            "max_output_tokens": self.max_output_tokens,
            "temperature": self.temperature,
            "background": self.background or None,
        }
        twice = sorted(set(options) & set(given))
        if twice:
            raise ConfigurationError(f"options holds {', '.join(twice)}, which the operator has an argument for")
        # Where it is not in the background, the request takes as long as the model does.
        patience = None if self.background or self.timeout_read is not None else self.timeout
        return responses.create(
            self.input,
            model=self.model,
            folder_id=self.hook.get_conn().endpoint.folder_id,
            conversation_id=self.conversation_id,
            allow_unsupported=self.allow_unsupported,
            timeout_read=patience,
            **{**options, **given},
        )

    def _ledger(self, context: Context, call: Call[ModelResponse]) -> Ledger | None:
        return self.ledger(context, "yandex_ai_studio_response", [call]) if self.durable else None

    def _asker(self, call: Call[ModelResponse], ledger: Ledger | None) -> ResponseAsker:
        from airflow_provider_yandex_conv.api.answers import as_items
        from airflow_provider_yandex_conv.operators.asking import Question, ResponseAsker

        in_conversation = self.conversation_id is not None
        if self.on_ambiguous == "recover" and not in_conversation:
            raise ConfigurationError("on_ambiguous='recover' needs a conversation_id: an answer is looked for in there")
        question = Question(
            call=call,
            conversation_id=self.conversation_id,
            items=as_items(self.input),
            timeout=self.timeout,
            poll_interval=self.poll_interval,
        )
        return ResponseAsker(
            self.hook,
            question,
            on_ambiguous=self.on_ambiguous or ("recover" if in_conversation else "fail"),
            require=self._required,
            ledger=ledger,
            log=self.log,
        )

    def _defer(self, response: ModelResponse, deadline: float) -> None:
        from airflow_provider_yandex_conv.triggers.responses import YandexResponseTrigger

        self.defer(
            trigger=YandexResponseTrigger(
                response_id=response.id,
                deadline=deadline,
                poll_interval=self.poll_interval,
                yandex_ai_studio_conn_id=self.yandex_ai_studio_conn_id,
            ),
            method_name="execute_complete",
        )

    def _wait(self, asker: ResponseAsker, response: ModelResponse, ledger: Ledger | None) -> ModelResponse:
        try:
            return asker.wait(response)
        except PollTimeoutError as late:
            raise self._timed_out(late.found or response, ledger) from late
        except InterruptedCallError:
            asker.cancel(response)
            raise

    @contextmanager
    def _said_if_it_is_lost(self, response: ModelResponse, ledger: Ledger | None) -> Iterator[None]:
        """Say it where the task is ended from outside, and a retry knows nothing of a response that is billed."""
        try:
            yield
        except BaseException as stop:
            told = isinstance(stop, InterruptedCallError) or not isinstance(stop, YandexAIStudioError | TaskDeferred)
            if ledger is None and told:
                self.log.warning(
                    "Response %s is billed, and the task was ended by %s: a retry asks, and pays, again",
                    response.id,
                    type(stop).__name__,
                )
            raise

    def _timed_out(self, response: ModelResponse, ledger: Ledger | None) -> Exception:
        """Return what a wait in vain amounts to: a retry goes on waiting, if it can know of the response."""
        from airflow_provider_yandex_conv.api import outcome

        if ledger is not None:
            return outcome.timed_out(response, self.timeout)
        return AirflowFailException(
            f"Response {response.id} is still {response.status!r} after {self.timeout:g} s. It may go on, and is "
            "billed when it ends. The task is not retried, as that would ask, and pay, again."
        )

    def _finish(self, context: Context, response: ModelResponse, ledger: Ledger | None) -> Any:
        """Push what there is to know of a response that has ended, and return what it says."""
        usage = self._usage(context, response, ledger)
        self.push(context, status=response.status, usage=usage)
        try:
            return self._required(response)
        except ResponseError:
            if ledger is not None:
                ledger.keep(f"the usage of response {response.id}", usage=usage)
            raise

    def _required(self, response: ModelResponse) -> Any:
        """
        Return what a response says.

        :raises ResponseError: it is no answer, or none in the form that was asked for.
        """
        from airflow_provider_yandex_conv.api.outcome import require_answer

        require_answer(response)
        if self._schema is None:
            return response.output_text
        from airflow_provider_yandex_conv.operators.schema import parse

        return parse(response, self._schema)

    def _usage(self, context: Context, response: ModelResponse, ledger: Ledger | None) -> dict[str, Any]:
        """Return what each try was billed, each response once, whichever tries have waited for it."""
        earlier = ledger.earlier.created.get("usage", {}) if ledger is not None and ledger.earlier else {}
        counted = {one["response_id"] for one in earlier.values()}
        if response.usage is None or response.id in counted:
            return dict(earlier)
        mine = {"response_id": response.id, **response.usage.as_dict()}
        return {**earlier, str(getattr(context["ti"], "try_number", 1)): mine}
