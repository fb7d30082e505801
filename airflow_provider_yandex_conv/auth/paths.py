"""What is taken for the path of a file that holds a secret."""

from __future__ import annotations

import re


def is_path(text: str) -> bool:
    """
    Whether a text is an absolute path on a worker.

    Messages show such paths, and the key or token itself is what people paste in place of one: neither the JSON of a
    key, nor PEM, nor a token of the vendor begins with a slash.
    """
    return re.fullmatch(r"/[^\x00-\x1f\x7f]{1,4095}", text) is not None
