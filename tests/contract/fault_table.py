"""What can go wrong with a request, as the emulator plays it."""

from __future__ import annotations

from airflow_provider_yandex_conv import exceptions as errors

#: The request did not do anything, and says so.
REFUSED = {
    "429": {"status": 429},
    "429 seconds": {"status": 429, "shape": "grpc", "headers": {"Retry-After": "0.02"}},
    "429 milliseconds": {"status": 429, "headers": {"retry-after-ms": "20"}},
    "429 date": {"status": 429, "headers": {"Retry-After": "Thu, 01 Jan 2026 00:00:00 GMT"}},
}
#: The answer is lost or useless, whether or not the request did what it asked.
LOST = {
    "500": {"status": 500},
    "502 html": {"status": 502, "shape": "html"},
    "503 empty": {"status": 503, "shape": "empty"},
    "504": {"status": 504, "shape": "rpc_status"},
    "408": {"status": 408},
    "409": {"status": 409},
    "499": {"status": 499},
    "reset": {"drop": "reset"},
    "close": {"drop": "close"},
    "slow": {"delay": 0.8},
    "truncated": {"truncate": 9},
    "trickling": {"trickle": 0.05},
    "no json": {"body": "{"},
    "no id": {"body": "{}"},
    "200 with an error": {"body": '{"error": {"message": "no"}}'},
    "200 empty": {"body": ""},
}
#: What is no fault in the answer to a call: the vendor documents no body for it.
NO_FAULT = {"deleteResponse": {"no id", "200 empty"}}
#: Nothing that another attempt would change.
FINAL = {
    "307": ({"status": 307, "headers": {"Location": "/v1/conversations"}}, errors.APIStatusError),
    "400": ({"status": 400, "shape": "rpc_status"}, errors.BadRequestError),
    "401": ({"status": 401}, errors.AuthenticationError),
    "403": ({"status": 403, "shape": "rpc_status"}, errors.PermissionDeniedError),
    "404": ({"status": 404, "shape": "flat"}, errors.NotFoundError),
    "405": ({"status": 405, "shape": "empty"}, errors.UnsupportedEndpointError),
    "422": ({"status": 422}, errors.UnprocessableEntityError),
    "501": ({"status": 501, "shape": "rpc_status"}, errors.UnsupportedEndpointError),
    "429 beyond the cap": ({"status": 429, "headers": {"Retry-After": "3600"}}, errors.RateLimitError),
}
