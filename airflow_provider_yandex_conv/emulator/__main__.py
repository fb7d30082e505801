"""``python -m airflow_provider_yandex_conv.emulator`` serves until interrupted. Its first line is the base URL."""

from __future__ import annotations

import argparse
from contextlib import suppress


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("a port is from 0 to 65535")
    return port


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_yandex_conv.emulator",
        description="A local stand-in for the Conversations and Responses APIs of Yandex AI Studio, on 127.0.0.1.",
    )
    parser.add_argument("--port", type=_port, default=8765, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--api-key", help="the only key that is accepted (default: any, and none)")
    parser.add_argument("--folder-id", help="the only folder that may be named (default: any, and none)")
    arguments = parser.parse_args()
    try:
        from airflow_provider_yandex_conv.emulator.server import Emulator
    except ModuleNotFoundError as error:
        parser.exit(1, f"{error.name} is missing; install this package with its extra: [emulator]\n")
    try:
        emulator = Emulator(port=arguments.port, api_key=arguments.api_key, folder_id=arguments.folder_id)
    except OSError as error:
        parser.exit(1, f"port {arguments.port}: {error.strerror}\n")
    with suppress(KeyboardInterrupt):  # uvicorn ends in good order, and then raises it again
        print(emulator.base_url, flush=True)
        emulator.serve()


if __name__ == "__main__":
    main()
