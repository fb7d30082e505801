"""One create under each fault: what exists afterwards, what the caller has of it, and what the caller was told."""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from measuring import Report
from processes import airflow_home, airflow_logging, connections

sys.path.append(str(Path(__file__).parent.parent / "tests" / "contract"))
METADATA = {"topic": "sales"}
#: Seconds without an answer after which every way gives up an attempt.
TIMEOUT = 0.4
#: Seconds after which a call is not waited for any longer.
PATIENCE = 40
#: What our log says where a conversation may exist that nobody has the id of.
NAMED = "may have left a conversation behind"


def ours(on_ambiguous: str) -> Callable[[], str]:
    from airflow_provider_yandex_conv.operators.conversations import YandexCreateConversationOperator

    operator = YandexCreateConversationOperator(
        task_id="create", metadata=METADATA, on_ambiguous=on_ambiguous, stamp_metadata=False
    )
    ti = SimpleNamespace(xcom_push=lambda **_: None, **dict.fromkeys(("dag_id", "run_id", "task_id"), "x"))
    ti.map_index, ti.try_number = -1, 1
    return lambda: operator.execute({"ti": ti})


def openai_hook() -> Callable[[], str]:
    from airflow.providers.openai.hooks.openai import OpenAIHook

    return lambda: OpenAIHook().create_conversation(metadata=METADATA).id


def http_operator() -> Callable[[], str]:
    from airflow.providers.http.operators.http import HttpOperator

    operator = HttpOperator(
        task_id="create",
        endpoint="/v1/conversations",
        data=json.dumps({"metadata": METADATA}),
        headers={"Content-Type": "application/json"},
        response_filter=lambda response: response.json()["id"],
    )
    return lambda: operator.execute({})


def requests_with_retry(base_url: str) -> Callable[[], str]:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    retry = Retry(total=3, backoff_factor=0.1, status_forcelist=[429, 500, 502, 503, 504], allowed_methods=None)

    def create() -> str:
        with requests.Session() as session:
            session.mount("http://", HTTPAdapter(max_retries=retry))
            answer = session.post(f"{base_url}/conversations", json={"metadata": METADATA}, timeout=TIMEOUT)
            answer.raise_for_status()
            return answer.json()["id"]

    return create


@dataclass(frozen=True)
class Outcome:
    """
    What became of one call.

    :param exist: how many conversations there are.
    :param has_id: whether the caller has the id of one.
    :param said: ``id``, ``error`` or ``waits``: how the call ended.
    :param is_named: whether an error or a warning says that one may exist beside.
    """

    exist: int
    said: str
    is_named: bool

    @property
    def lost(self) -> int:
        """How many exist of which the caller has no id."""
        return self.exist - (self.said == "id" and self.exist > 0)

    @property
    def kind(self) -> str:
        if self.said == "waits":
            return "still waiting"
        if self.lost:
            if self.is_named:
                return "lost, and named"
            return "lost, silently" if self.said == "id" else "lost, behind some error"
        return "one" if self.said == "id" else "none, an error"


KINDS = ("one", "none, an error", "lost, and named", "lost, behind some error", "lost, silently", "still waiting")


def run(*, quick: bool) -> Report:
    from airflow_provider_yandex_conv.emulator.server import Emulator

    cases = list(_cases())
    with Emulator() as emulator, airflow_home(_connections(emulator.base_url)), airflow_logging() as log:
        ways = {"ours, `recreate`": ours("recreate"), "ours, `fail`": ours("fail")}
        ways["requests with `Retry`"] = requests_with_retry(emulator.base_url)
        if quick:
            cases = [case for case in cases if case[0] in {"500, done", "400"}]
        else:
            ways |= {"openai provider, hook": openai_hook(), "http provider, operator": http_operator()}
        outcomes = {
            name: {case: _played(emulator, fault, create, log) for case, fault in cases}
            for name, create in ways.items()
        }
    rows = [[case, *(_cell(outcomes[name][case]) for name in ways)] for case, _ in cases]
    rows += [[f"**{kind}**", *(_count(outcomes[name].values(), kind) for name in ways)] for kind in KINDS]
    return Report(
        "faults",
        f"One create under each of {len(cases)} faults, which the first request meets and no other: how many "
        "conversations exist afterwards, and what the caller knows of those whose id it does not have. *done*: the "
        "server created it before it failed to say so. *named*: an error or a warning says that one may exist, and "
        f"which. Every way waits {TIMEOUT} s for an answer, and tries again as it does by default.",
        ["fault", *ways],
        rows,
    )


def _cases():
    """Yield the faults of the tests, each by a name."""
    from fault_table import FINAL, LOST, REFUSED

    yield "none", None
    for name, fault in REFUSED.items():
        yield name, fault
    for name, fault in LOST.items():
        yield name, fault
        yield f"{name}, done", {**fault, "applied": True}
    for name, (fault, _) in FINAL.items():
        yield name, fault


def _connections(base_url: str) -> dict[str, str]:
    timeouts = {"timeout_read": TIMEOUT}, {"openai_client_kwargs": {"timeout": TIMEOUT}}, {"timeout": TIMEOUT}
    stored = connections(base_url)
    for name, extra in zip(stored, timeouts, strict=True):
        connection = json.loads(stored[name])
        connection["extra"] = {**connection.get("extra", {}), **extra}
        stored[name] = json.dumps(connection)
    return stored


def _played(emulator, fault, create: Callable[[], str], log: Path) -> Outcome:
    emulator.reset()
    if fault is not None:
        emulator.fail("createConversation", **fault)
    logged = log.stat().st_size
    said, error = "error", ""
    try:
        with _patience():
            said = "id" if create() else "error"
    except _ImpatientError:
        said = "waits"
    except Exception as failure:  # noqa: BLE001  # whichever it is, the caller is told
        error = str(failure)
    with log.open("rb") as file:
        file.seek(logged)
        told = file.read().decode()
    is_named = NAMED in told or "outcome is unknown" in error
    return Outcome(exist=len(emulator.conversations), said=said, is_named=is_named)


class _ImpatientError(BaseException):
    """It is not waited for any longer."""


class _patience:  # noqa: N801  # used like a function
    def __enter__(self):
        def stop(*_):
            raise _ImpatientError

        self._before = signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, PATIENCE)

    def __exit__(self, *exc):
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)


def _cell(outcome: Outcome) -> str:
    return outcome.kind if outcome.exist < 2 and not outcome.lost else f"{outcome.exist}: {outcome.kind}"


def _count(outcomes, kind: str) -> str:
    return str(Counter(outcome.kind for outcome in outcomes)[kind])
