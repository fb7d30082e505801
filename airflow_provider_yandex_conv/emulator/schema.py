"""An instance of a JSON Schema, the same for the same schema: what the echo model answers where one is asked for."""

from __future__ import annotations

from typing import Any

from airflow_provider_yandex_conv.emulator.errors import APIError

_MAX_DEPTH = 50


def instance_of(schema: Any, text: str) -> Any:
    """
    Return the simplest value that a schema describes.

    :param text: what strings hold, where the schema leaves it open.
    """
    return _Writer(schema, text).write(schema, depth=0)


class _Writer:
    def __init__(self, root: Any, text: str) -> None:
        self._root = root
        self._text = text

    def write(self, schema: Any, depth: int) -> Any:
        if not isinstance(schema, dict) or depth > _MAX_DEPTH:
            raise APIError(400, "Invalid schema: expected objects, at most 50 deep.", code="invalid_json_schema")
        if "$ref" in schema:
            return self.write(self._resolve(str(schema["$ref"])), depth + 1)
        for given in ("const", "default"):
            if given in schema:
                return schema[given]
        for choice in ("enum", "examples"):
            if schema.get(choice):
                return schema[choice][0]
        for either in ("anyOf", "oneOf", "allOf"):
            if schema.get(either):
                return self.write(schema[either][0], depth + 1)
        return self._of_type(schema, depth)

    def _of_type(self, schema: dict[str, Any], depth: int) -> Any:
        kind = schema.get("type", "object" if "properties" in schema else "string")
        kind = kind[0] if isinstance(kind, list) and kind else kind
        if kind == "object":
            properties = schema.get("properties", {})
            wanted = schema.get("required", list(properties))
            return {name: self.write(properties.get(name, {}), depth + 1) for name in wanted}
        if kind == "array":
            return [self.write(schema.get("items", {}), depth + 1)] * schema.get("minItems", 0)
        if kind == "string":
            return self._string(schema)
        simple = {"integer": schema.get("minimum", 0), "number": schema.get("minimum", 0.0)}
        return {**simple, "boolean": False, "null": None}.get(kind)

    def _string(self, schema: dict[str, Any]) -> str:
        text = self._text.ljust(schema.get("minLength", 0), ".")
        return text[: schema.get("maxLength")]

    def _resolve(self, reference: str) -> Any:
        found = self._root
        for step in reference.removeprefix("#").strip("/").split("/"):
            if step and not (isinstance(found, dict) and step in found):
                raise APIError(400, f"Invalid schema: nothing is at {reference!r}.", code="invalid_json_schema")
            found = found[step] if step else found
        return found
