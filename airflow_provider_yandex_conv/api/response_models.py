"""What the API returns of model responses, as frozen values. Keys that are not known here stay readable in ``raw``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_provider_yandex_conv.api.decode import decode_object, invalid_response, required_id
from airflow_provider_yandex_conv.api.models import Item
from airflow_provider_yandex_conv.api.wire import Response

#: What a response ends with. Any other status, one that the vendor adds tomorrow included, may still change.
TERMINAL_STATUSES = frozenset({"completed", "failed", "incomplete", "cancelled"})


@dataclass(frozen=True, slots=True)
class Usage:
    """
    The tokens that a response took, which are what the vendor bills. Usages can be added up.

    :param cached_tokens: how many of the input tokens were read from a cache.
    :param reasoning_tokens: how many of the output tokens the model only thought.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    @classmethod
    def from_wire(cls, raw: object) -> Usage | None:
        """
        Read a usage; what is missing counts 0.

        :param raw: ``{"input_tokens", "input_tokens_details": {"cached_tokens"}, "output_tokens",
            "output_tokens_details": {"reasoning_tokens"}, "total_tokens"}``.
        :return: None where there is none.
        """
        if not isinstance(raw, dict):
            return None
        input_tokens, output_tokens = _count(raw, "input_tokens"), _count(raw, "output_tokens")
        return cls(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            total_tokens=_count(raw, "total_tokens") or input_tokens + output_tokens,
            cached_tokens=_count(raw.get("input_tokens_details"), "cached_tokens"),
            reasoning_tokens=_count(raw.get("output_tokens_details"), "reasoning_tokens"),
        )

    def __add__(self, other: Usage) -> Usage:
        mine, more = asdict(self), asdict(other)
        return Usage(**{name: mine[name] + more[name] for name in mine})

    def as_dict(self) -> dict[str, int]:
        """
        Return all five counts by name, fit for XCom.

        ``{"input_tokens", "output_tokens", "total_tokens", "cached_tokens", "reasoning_tokens"}``
        """
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ModelResponse:
    """
    An answer of a model, or one in the making.

    :param id: opaque.
    :param status: ``queued``, ``in_progress``, ``completed``, ``failed``, ``incomplete``, ``cancelled``, or one that
        the vendor adds tomorrow; ``unknown`` where the server did not say.
    :param output: what the model gave, in order: messages, tool calls, reasoning.
    :param usage: None where nothing was counted, or not yet.
    :param model: the URI of the model; None where the server did not say.
    :param conversation_id: the conversation that input and output are added to; None for none.
    :param error_code: of a response that failed: ``server_error``, ``rate_limit_exceeded``, ``invalid_prompt``, ...
    :param error_message: of a response that failed.
    :param incomplete_reason: ``max_output_tokens`` or ``content_filter``.
    :param created_at: Unix seconds; None where the server did not say.
    :param request_id: the server's ``x-request-id``, or its ``x-server-trace-id`` where it sent only that.
    :param raw: the answer as decoded.
    """

    id: str
    status: str
    output: tuple[Item, ...] = ()
    usage: Usage | None = None
    model: str | None = None
    conversation_id: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    incomplete_reason: str | None = None
    created_at: int | None = None
    request_id: str | None = field(default=None, compare=False)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_response(cls, response: Response) -> ModelResponse:
        """
        Read a model's response from an answer.

        A response that failed is read like any other: its HTTP status is that of a success.

        :raises InvalidResponseError: a success without an id. Anything else may be missing: losing the id of a
            response that was billed, over a field nobody needs, would be worse.
        :raises APIStatusError: the answer is not a success.
        """
        raw = decode_object(response)
        output = raw.get("output")
        error = raw.get("error")
        created_at = raw.get("created_at")
        return cls(
            id=required_id(raw, response),
            status=_status(raw),
            output=tuple(
                Item(id=str(one.get("id") or ""), type=str(one.get("type") or "message"), raw=one)
                for one in (output if isinstance(output, list) else ())
                if isinstance(one, dict)
            ),
            usage=Usage.from_wire(raw.get("usage")),
            model=_text(raw, "model"),
            conversation_id=_text(raw.get("conversation"), "id") or _text(raw, "conversation"),
            error_code=_text(error, "code"),
            error_message=_text(error, "message") or _text(raw, "error"),
            incomplete_reason=_text(raw.get("incomplete_details"), "reason"),
            created_at=int(created_at) if isinstance(created_at, int | float) else None,
            request_id=response.request_id or response.server_trace_id,
            raw=raw,
        )

    @property
    def is_terminal(self) -> bool:
        """Whether it has come to its end, whichever that is."""
        return self.status in TERMINAL_STATUSES

    @property
    def output_text(self) -> str:
        """All text of the answer, its messages and their parts joined; empty where there is none."""
        return "".join(part["text"] for part in self._parts("output_text") if isinstance(part.get("text"), str))

    @property
    def refusal(self) -> str | None:
        """The words with which the model refuses to answer; None where it does not."""
        said = [str(part.get("refusal") or "") for part in self._parts("refusal")]
        return "".join(said) if said else None

    def as_dict(self) -> dict[str, Any]:
        """
        Return what there is to know beside the output, fit for XCom.

        ``{"id": str, "status": str, "model": str | None, "conversation_id": str | None, "created_at": int | None,
        "usage": {str: int} | None}``
        """
        return {
            "id": self.id,
            "status": self.status,
            "model": self.model,
            "conversation_id": self.conversation_id,
            "created_at": self.created_at,
            "usage": self.usage.as_dict() if self.usage else None,
        }

    def _parts(self, kind: str) -> Iterator[Mapping[str, Any]]:
        for item in self.output:
            content = item.raw.get("content") if item.type == "message" else None
            for part in content if isinstance(content, list) else ():
                if isinstance(part, dict) and part.get("type") == kind:
                    yield part


@dataclass(frozen=True, slots=True)
class ResponseDeleted:
    """
    The vendor's answer to the delete of a response, of which it documents no body.

    :param deleted: whether this call, or an earlier attempt of it, removed the response.
    """

    deleted: bool = True

    @classmethod
    def from_response(cls, response: Response) -> ResponseDeleted:
        """
        Read the answer to a delete.

        :raises InvalidResponseError: a success with a body that cannot be read, or that says it is none.
        :raises APIStatusError: the answer is not a success.
        """
        if 200 <= response.status < 300 and not response.body.strip():
            return cls()
        if decode_object(response).get("deleted", True) is not True:
            raise invalid_response(response, "the answer says that the response was not deleted")
        return cls()


def status_from_response(response: Response) -> str:
    """
    Read the status of a model's response from an answer, as :meth:`ModelResponse.from_response` does.

    :raises InvalidResponseError: a success without an id.
    :raises APIStatusError: the answer is not a success.
    """
    raw = decode_object(response)
    required_id(raw, response)
    return _status(raw)


def _status(raw: Mapping[str, Any]) -> str:
    return _text(raw, "status") or "unknown"


def _text(raw: object, key: str) -> str | None:
    value = raw.get(key) if isinstance(raw, dict) else None
    return value if isinstance(value, str) and value else None


def _count(raw: object, key: str) -> int:
    value = raw.get(key) if isinstance(raw, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
