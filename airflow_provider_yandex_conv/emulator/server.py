"""The emulator as a server, in a thread of this process or as the process itself."""

from __future__ import annotations

import json
import socket
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

import uvicorn

from airflow_provider_yandex_conv.emulator.app import build_app
from airflow_provider_yandex_conv.emulator.faults import Fault, Quotas
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
    :param api_key: the only key that is accepted; None accepts any, and none.
    :param folder_id: the only folder that may be named; None accepts any, and none.
    """

    def __init__(self, *, port: int = 0, api_key: str | None = None, folder_id: str | None = None) -> None:
        self._service = Service(api_key=api_key, folder_id=folder_id)
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
    def conversations(self) -> list[dict[str, Any]]:
        """The conversations that exist, oldest first, each with its ``items``."""
        return self._service.state.dump()["conversations"]

    @property
    def deleted_conversations(self) -> list[dict[str, Any]]:
        """The conversations that existed, each with its ``items``, which the vendor keeps as well."""
        return self._service.state.dump()["deleted"]

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests that came in, oldest first."""
        return self._service.recorder.all()

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
        :param fault: what, as in :class:`Fault`.
        """
        self._service.faults.add(Fault(operation=operation, **fault))

    def limit(self, *, in_flight: int | None = None, per_second: float | None = None) -> None:
        """Answer 429 beyond so many requests under way at once, or in any second."""
        self._service.faults.quotas = Quotas(in_flight=in_flight, per_second=per_second)

    def reset(self) -> None:
        """Forget all conversations, requests, faults and quotas."""
        self._service.reset()

    def reset_requests(self) -> None:
        """Forget the requests so far, and keep the conversations."""
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
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(_START_TIMEOUT)
        self._socket.close()


def _listening_socket(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen(1024)  # from here on a client waits instead of being refused
    return listening
