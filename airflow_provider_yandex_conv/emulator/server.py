"""The emulator as a server, in a thread of this process or as the process itself."""

from __future__ import annotations

import json
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

import uvicorn

from airflow_provider_yandex_conv.emulator.answers import Answer
from airflow_provider_yandex_conv.emulator.app import build_app
from airflow_provider_yandex_conv.emulator.faults import Fault, Quotas
from airflow_provider_yandex_conv.emulator.issuer import IssuedToken, Issuer, TokenSettings
from airflow_provider_yandex_conv.emulator.recorder import RecordedRequest
from airflow_provider_yandex_conv.emulator.service import Service
from airflow_provider_yandex_conv.emulator.wire import ConnectionKeepingProtocol

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11 on

_START_TIMEOUT = 10.0


class Emulator:
    """
    A local AI Studio on 127.0.0.1.

    ::

        with Emulator() as emulator:
            emulator.fail("createConversation", status=503)
            ...
            assert len(emulator.conversations) == 1

    :param port: 0 takes a free one.
    :param api_key: the only key that is accepted, beside IAM tokens that it issued itself; None accepts any, and none.
    :param folder_id: the only folder that may be named; None accepts any, and none.
    :param tokens: how IAM tokens are issued.
    :param clock: gives Unix seconds, by which tokens expire.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        api_key: str | None = None,
        folder_id: str | None = None,
        tokens: TokenSettings | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._service = Service(api_key=api_key, folder_id=folder_id, issuer=Issuer(tokens, clock))
        self._socket = _listening_socket(port)
        self._server = uvicorn.Server(
            uvicorn.Config(
                build_app(self._service),
                http=ConnectionKeepingProtocol,
                ws="none",
                lifespan="off",
                log_level="warning",
                timeout_graceful_shutdown=1,
            )
        )
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._socket.getsockname()[1])

    @property
    def base_url(self) -> str:
        """What to use as the host of a connection: ``http://127.0.0.1:<port>/v1``."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def iam_url(self) -> str:
        """Where a signed request is exchanged for a token: the extra ``iam_url`` of a connection."""
        return f"http://{self.metadata_address}/iam/v1/tokens"

    @property
    def exchange_url(self) -> str:
        """Where a token of another provider is exchanged: the extra ``workload_identity_url`` of a connection."""
        return f"http://{self.metadata_address}/oauth/token"

    @property
    def metadata_address(self) -> str:
        """Where the metadata service is: the environment variable ``YC_METADATA_ADDR``."""
        return f"127.0.0.1:{self.port}"

    @property
    def tokens(self) -> list[IssuedToken]:
        """The IAM tokens that were issued, oldest first."""
        return self._service.issuer.issued()

    @property
    def conversations(self) -> list[dict[str, Any]]:
        """The conversations that exist, oldest first, each with its ``items``."""
        return self._service.state.dump()["conversations"]

    @property
    def deleted_conversations(self) -> list[dict[str, Any]]:
        """The conversations that existed, each with its ``items``, which the vendor keeps as well."""
        return self._service.state.dump()["deleted"]

    @property
    def responses(self) -> list[dict[str, Any]]:
        """The responses that were made, oldest first, each with its ``input`` items; those not stored as well."""
        return self._service.responses.dump()["responses"]

    @property
    def deleted_responses(self) -> list[dict[str, Any]]:
        """The responses that were deleted."""
        return self._service.responses.dump()["deleted_responses"]

    @property
    def responses_held(self) -> list[str]:
        """The ids of the responses that an answer with ``hold`` keeps under way, oldest first."""
        return self._service.responses.holds.held()

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests that came in, oldest first."""
        return self._service.recorder.all()

    @property
    def held(self) -> list[RecordedRequest]:
        """The requests that a fault with ``hold`` keeps, oldest first."""
        return self._service.holds.held()

    def connection(self, **extra: Any) -> str:
        """
        Return an Airflow connection to this emulator, as an ``AIRFLOW_CONN_<ID>`` variable holds it.

        :param extra: further extras.
        """
        key = self._service.api_key
        extras = {"auth_type": "none" if key is None else "api_key", "folder_id": self._service.folder_id, **extra}
        return json.dumps({"conn_type": "yandex_ai_studio", "host": self.base_url, "password": key, "extra": extras})

    def fail(self, operation: str = "*", **fault: Any) -> None:
        """
        Let something go wrong.

        :param operation: the vendor's name of an endpoint, such as ``createConversation``, or ``*`` for any.
        :param fault: what, as in :class:`.Fault`.
        """
        self._service.faults.add(Fault(operation=operation, **fault))

    def answer(self, text: str | None = None, **answer: Any) -> None:
        """
        Script what the model answers, in place of its echo.

        :param text: what it says.
        :param answer: how, and what becomes of the response, as in :class:`.Answer`.
        """
        self._service.responses.script.add(Answer(text=text, **answer))

    def release(self) -> None:
        """Let the requests and the responses go that are held."""
        self._service.release()

    def limit(self, *, in_flight: int | None = None, per_second: float | None = None) -> None:
        """Answer 429 beyond so many requests under way at once, or in any second."""
        self._service.faults.quotas = Quotas(in_flight=in_flight, per_second=per_second)

    def issue(self, **settings: Any) -> None:
        """
        Change how IAM tokens are issued.

        :param settings: as in :class:`.TokenSettings`; what is not named stays as it is.
        """
        self._service.issuer.settings = replace(self._service.issuer.settings, **settings)

    def new_service_account_key(self, service_account_id: str = "ajeemulator0000000000") -> dict[str, str]:
        """
        Make an authorized key that is accepted from now on, and only such keys.

        :return: ``{"id", "service_account_id", "created_at", "key_algorithm", "public_key", "private_key"}``, as the
            vendor's console writes it.
        """
        key = _new_key(service_account_id)
        accepted = self._service.issuer.settings.service_account_keys or ()
        public = {name: key[name] for name in ("id", "service_account_id", "public_key")}
        self.issue(service_account_keys=(*accepted, public))
        return key

    def reset(self) -> None:
        """Forget all that was stored, sent, scripted and issued, and keys that were made meanwhile."""
        self._service.reset()

    def reset_requests(self) -> None:
        """Forget the requests so far, and keep what is stored."""
        self._service.recorder.reset()

    def start(self) -> None:
        """
        Serve from a thread of this process.

        :raises RuntimeError: it does not answer within 10 s.
        """
        self._thread = threading.Thread(target=self.serve, name="yandex-ai-studio-emulator", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + _START_TIMEOUT
        while not self._server.started:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the emulator did not start on {self.base_url} within {_START_TIMEOUT:g} s")
            time.sleep(0.005)

    def serve(self) -> None:
        """Serve from the calling thread until :meth:`stop`, or until the process is told to end."""
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Stop serving and free the port."""
        self.release()
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(_START_TIMEOUT)
        self._socket.close()


def _new_key(service_account_id: str) -> dict[str, str]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    pair = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = pair.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public = pair.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    key_id = f"aje{uuid.uuid4().hex[:17]}"
    return {
        "id": key_id,
        "service_account_id": service_account_id,
        "created_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "key_algorithm": "RSA_2048",
        "public_key": public.decode(),
        "private_key": f"PLEASE DO NOT REMOVE THIS LINE! Yandex.Cloud SA Key ID <{key_id}>\n{private}",
    }


def _listening_socket(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen(1024)  # from here on a client waits instead of being refused
    return listening
