"""
Where an older page begins, in a form that only this server can write.

The server that holds the conversations may or may not check that an item belongs to the conversation it is asked for.
Here only the items that it has listed of that very conversation can be named.
"""

from __future__ import annotations

import hashlib
import hmac

from airflow_provider_yandex_conv._compat import conf

_SIGNATURE_CHARACTERS = 32


def write(conversation_id: str, item_id: str) -> str:
    """Return the cursor of a page that begins after an item."""
    return f"{_sign(conversation_id, item_id)}{item_id}"


def read(conversation_id: str, cursor: str) -> str | None:
    """Return the id of the item, or None if the cursor was not written for this conversation."""
    signature, item_id = cursor[:_SIGNATURE_CHARACTERS], cursor[_SIGNATURE_CHARACTERS:]
    expected = _sign(conversation_id, item_id)
    # As bytes: text that is not ASCII cannot be compared in constant time.
    return item_id if hmac.compare_digest(signature.encode("utf-8", "surrogatepass"), expected.encode()) else None


def _sign(conversation_id: str, item_id: str) -> str:
    key = conf.get_mandatory_value("api", "secret_key")
    what = f"airflow-provider-yandex-conv page\n{conversation_id}\n{item_id}".encode("utf-8", "surrogatepass")
    return hmac.new(key.encode(), what, hashlib.sha256).hexdigest()[:_SIGNATURE_CHARACTERS]
