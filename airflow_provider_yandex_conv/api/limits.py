"""
The documented limits of what a conversation may hold, checked before anything is sent.

Source: https://yandex.cloud/en/docs/ai-studio/conversations/createConversation for metadata. The limit of items per
call is that of the OpenAI specification which the vendor follows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_yandex_conv.exceptions import ConfigurationError

MAX_METADATA_PAIRS = 16
MAX_METADATA_KEY_CHARACTERS = 64
MAX_METADATA_VALUE_CHARACTERS = 512
MAX_ITEMS_PER_CALL = 20

#: How much of an offending key a message shows.
_SHOWN_CHARACTERS = 80


def check_metadata(metadata: Mapping[str, str]) -> None:
    """
    Check metadata against the documented limits: 16 pairs of strings, keys of 64 and values of 512 characters.

    :raises ConfigurationError: names the key that offends and its length, or its value's; never shows a value.
    """
    if not isinstance(metadata, Mapping):
        raise ConfigurationError(f"metadata must be a mapping of strings to strings, got {type(metadata).__name__}")
    if len(metadata) > MAX_METADATA_PAIRS:
        raise ConfigurationError(
            f"metadata has {len(metadata)} pairs, at most {MAX_METADATA_PAIRS} are allowed; remove some, or the four "
            "of a create operator's stamp with stamp_metadata=False"
        )
    for key, value in metadata.items():
        _check_pair(key, value)


def _check_pair(key: str, value: str) -> None:
    if not isinstance(key, str):
        raise ConfigurationError(
            f"metadata key {str(key)[:_SHOWN_CHARACTERS]} must be a string, got {type(key).__name__}"
        )
    shown = repr(key[:_SHOWN_CHARACTERS])
    if len(key) > MAX_METADATA_KEY_CHARACTERS:
        raise ConfigurationError(
            f"metadata key {shown} has {len(key)} characters, at most {MAX_METADATA_KEY_CHARACTERS} are allowed; "
            "shorten it"
        )
    if not isinstance(value, str):
        raise ConfigurationError(
            f"the value of metadata key {shown} must be a string, got {type(value).__name__}; convert it with str()"
        )
    if len(value) > MAX_METADATA_VALUE_CHARACTERS:
        raise ConfigurationError(
            f"the value of metadata key {shown} has {len(value)} characters, at most "
            f"{MAX_METADATA_VALUE_CHARACTERS} are allowed; shorten it"
        )


def check_items(items: Sequence[Mapping[str, Any]], *, first: int = 0) -> None:
    """
    Check the items of one call: a list of at most 20 objects that can be written as JSON.

    What an item holds is left to the server: the vendor may add types at any time.

    :param first: the place of the first of them in the author's list.
    :raises ConfigurationError: names the place of the item that offends; never shows its content.
    """
    check_item_list(items)
    if len(items) > MAX_ITEMS_PER_CALL:
        raise ConfigurationError(
            f"items has {len(items)} entries, at most {MAX_ITEMS_PER_CALL} are allowed in one call; split the list"
        )
    check_objects("items", items, first=first)


def check_item_list(items: Sequence[Mapping[str, Any]]) -> None:
    """
    Check that items are a list, of any length.

    :raises ConfigurationError: they are not; a template, for one, renders a list to a string.
    """
    if isinstance(items, str | bytes | Mapping) or not isinstance(items, Sequence):
        raise ConfigurationError(f"items must be a list of objects, got {type(items).__name__}")


def check_objects(name: str, objects: Sequence[Mapping[str, Any]], *, first: int = 0) -> None:
    """
    Check that all entries of a list are objects that can be written as JSON.

    :param name: of the list.
    :param first: the place of the first of them in the author's list.
    :raises ConfigurationError: names the place of the entry that offends; never shows its content.
    """
    for place, entry in enumerate(objects, first):
        if not isinstance(entry, Mapping):
            raise ConfigurationError(f"{name}[{place}] must be an object, got {type(entry).__name__}")
        check_json(f"{name}[{place}]", entry)


def check_json(name: str, value: Any) -> None:
    """
    Check that a value can be written as JSON.

    :raises ConfigurationError: it cannot; the message says why, and never shows the value.
    """
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{name} cannot be written as JSON: {error}") from None
