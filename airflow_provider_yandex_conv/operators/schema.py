"""Answers in a form that is asked for: the schema that is sent, and the object that the answer is read as."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airflow_provider_yandex_conv.api.outcome import unlike_schema
from airflow_provider_yandex_conv.api.response_models import ModelResponse
from airflow_provider_yandex_conv.exceptions import ConfigurationError


def json_schema(schema: Any) -> Mapping[str, Any]:
    """
    Return a JSON Schema: an object as it is, or that of a pydantic model.

    :raises ConfigurationError: it is neither, or no schema.
    """
    if hasattr(schema, "model_json_schema"):
        schema = schema.model_json_schema()
    if not isinstance(schema, Mapping):
        raise ConfigurationError(
            f"output_schema must be a JSON Schema or a pydantic model, got {type(schema).__name__}"
        )
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for

    try:
        validator_for(schema).check_schema(schema)
    except SchemaError as error:
        raise ConfigurationError(f"output_schema is no JSON Schema: {error.message}") from None
    return schema


def text_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the field ``text`` of a request for an answer that fits a schema."""
    name = "".join(one if one.isascii() and one.isalnum() else "_" for one in str(schema.get("title") or "answer"))
    return {"format": {"type": "json_schema", "name": name[:64], "schema": dict(schema), "strict": True}}


def parse(response: ModelResponse, schema: Mapping[str, Any]) -> Any:
    """
    Return the object that an answer holds.

    :raises ResponseSchemaError: it holds none, or one that does not fit.
    """
    from jsonschema.exceptions import best_match
    from jsonschema.validators import validator_for

    try:
        found = json.loads(response.output_text)
    except ValueError as error:
        raise unlike_schema(response, f"it is no JSON ({error})") from None
    mismatch = best_match(validator_for(schema)(schema).iter_errors(found))
    if mismatch is not None:
        raise unlike_schema(response, f"at {mismatch.json_path}: {mismatch.message}")
    return found
