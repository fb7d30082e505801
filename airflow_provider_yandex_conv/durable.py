"""
What a task did on its earlier tries, kept in Airflow's task state store, which outlives a killed worker.

Airflow has the store from 3.3 on. XCom cannot take its place: Airflow clears it before every try.

An attempt is noted before it is sent. What it created is noted after the answer, before anything else. So a later try
finds one of three things, and never takes one for another:

- what was created: it is used, and nothing is sent
- attempts whose outcome nobody knows, as the process died or no answer came: ``on_ambiguous`` decides
- nothing: the task begins as on its first try

A store that cannot be read is an error, never "nothing". Source of what the store does:
https://airflow.apache.org/docs/task-sdk/stable/
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_yandex_conv._compat import never_expire
from airflow_provider_yandex_conv.exceptions import TaskStateStoreError, TaskSupersededError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_yandex_conv.api.wire import Call
    from airflow_provider_yandex_conv.sending import Log

#: Answers of Airflow's API server which say that this try is not the task's any more.
_NOT_CURRENT = {404, 409, 410}


class StateStore(Protocol):
    """What is used of Airflow's ``context["task_state_store"]``."""

    def get(self, key: str) -> Any:
        """Return the value of a key, or None."""

    def set(self, key: str, value: Any, *, retention: Any) -> None:
        """Keep a value; it is durable when this returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """
    What is known of a task's work so far.

    :param fingerprint: of the input, so that a record for other input is not mistaken for one of this.
    :param max_tries: of the task instance when the work began. A retry leaves it, a user's clear raises it.
    :param created: what exists, by the names that the operator gave.
    :param client_request_ids: ``x-client-request-id`` of the attempts whose outcome is unknown, oldest first.
    :param sent_at: Unix seconds, when the last of those began.
    """

    fingerprint: str
    max_tries: int | None
    created: Mapping[str, Any] = field(default_factory=dict)
    client_request_ids: tuple[str, ...] = ()
    sent_at: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as the store keeps it."""
        return {
            "fingerprint": self.fingerprint,
            "max_tries": self.max_tries,
            "created": dict(self.created),
            "client_request_ids": list(self.client_request_ids),
            "sent_at": self.sent_at,
        }

    @classmethod
    def from_json(cls, kept: Any) -> Record:
        """
        Read what the store keeps.

        :raises ValueError: it is not what :meth:`as_json` writes.
        """
        if not isinstance(kept, Mapping) or set(kept) != set(cls.__slots__):
            raise ValueError("its fields are not those that were written")
        ids, sent_at, tries = kept["client_request_ids"], kept["sent_at"], kept["max_tries"]
        sound = (
            isinstance(kept["fingerprint"], str)
            and isinstance(tries, int | None)
            and isinstance(kept["created"], Mapping)
            and isinstance(ids, list)
            and all(isinstance(one, str) for one in ids)
            and isinstance(sent_at, int | float | None)
        )
        if not sound:
            raise ValueError("a field is not of the kind that was written")
        return cls(**{**kept, "client_request_ids": tuple(ids)})


class GuardedStore:
    """
    A store whose failures are errors of ours, and which is told from one that has been taken over by another try.

    Made by the process of the task, before its supervisor can have died.
    """

    def __init__(self, store: StateStore) -> None:
        self._store = store
        self._parent = os.getppid()

    def read(self, key: str) -> Any:
        """
        Return the value of a key, or None.

        :raises TaskStateStoreError: it cannot be read.
        """
        try:
            return self._store.get(key)
        except Exception as error:
            raise TaskStateStoreError(f"Airflow's task state store could not be read ({_describe(error)})") from error

    def write(self, key: str, value: Any) -> None:
        """
        Keep a value; it is durable when this returns.

        :raises TaskStateStoreError: it was not kept, or may not have been.
        :raises TaskSupersededError: this try is not the current one any more; ``applied`` tells whether it was kept.
        """
        try:
            self._store.set(key, value, retention=never_expire())
        except Exception as error:
            # What could not even be handed over was not kept. All else may have been, what is refused included: Airflow
            # sends a write again where its answer was lost, and the next try may have taken over in between.
            kept = False if isinstance(error, BrokenPipeError) else None
            if _is_not_current(error):
                raise TaskSupersededError(
                    "Airflow says that another try of this task has taken over", applied=kept
                ) from error
            if os.getppid() != self._parent:
                raise TaskSupersededError("the supervisor of this task has died", applied=kept) from error
            raise TaskStateStoreError(
                f"Airflow's task state store could not be written ({_describe(error)})"
            ) from error


class Ledger:
    """
    The record of one task instance: read once, and written as the work goes on.

    It is an ``AttemptJournal`` for the client.

    :param store: Airflow's task state store.
    :param key: the name of the record in it.
    :param new: an empty record for the present input.
    :param clock: gives Unix seconds.
    :raises TaskStateStoreError: the record cannot be read.
    """

    def __init__(self, store: StateStore, key: str, new: Record, *, log: Log, clock: Any = time.time) -> None:
        self._store = GuardedStore(store)
        self._key = key
        self._log = log
        self._clock = clock
        self._is_proven = False
        self._record = new
        found = self._read()
        #: What earlier tries of this task did with the same input; None where there is nothing.
        self.earlier: Record | None = None
        #: A record that does not count any more, and why: a user cleared the task, or its input is another.
        self.put_aside: Record | None = None
        self.put_aside_because = ""
        self.was_cleared = found is not None and found.max_tries != new.max_tries
        if found is None:
            return
        if self.was_cleared:
            self.put_aside, self.put_aside_because = found, "the task was cleared"
        elif found.fingerprint != new.fingerprint:
            self.put_aside, self.put_aside_because = found, "the task's input was another then"
        else:
            self.earlier = self._record = found

    def begin(self, client_request_id: str) -> None:
        """
        Note an attempt, before it is sent.

        :raises TaskStateStoreError: it could not be noted, and must not be sent.
        :raises TaskSupersededError: this try is not the current one any more.
        """
        before = self._record
        self._record = replace(
            before, client_request_ids=(*before.client_request_ids, client_request_id), sent_at=self._clock()
        )
        try:
            self._write()
        except TaskStateStoreError:
            self._record = before  # as it is not sent
            raise
        try:
            self._prove()
        except TaskStateStoreError:
            self._record = before
            with suppress(TaskStateStoreError, TaskSupersededError):  # what failed already is the one to tell of
                self._write()
            raise

    def refused(self, client_request_id: str) -> None:
        """Note that an attempt was certainly not applied."""
        left = tuple(one for one in self._record.client_request_ids if one != client_request_id)
        self._record = replace(self._record, client_request_ids=left)
        try:
            self._write()
        except (TaskStateStoreError, TaskSupersededError) as error:
            # Harmless: a later try would name an attempt that left nothing behind.
            self._log.info("It could not be noted that attempt %s was refused: %s", client_request_id, error)

    def settle(self) -> None:
        """Hold the attempts so far for dealt with; that is written with what comes next."""
        self._record = replace(self._record, client_request_ids=(), sent_at=None)

    def note(self, **created: Any) -> None:
        """Note what a later try needs to go on; that is written with what comes next."""
        self._record = replace(self._record, created={**self._record.created, **created})

    def keep(self, what: str, **created: Any) -> None:
        """
        Note what exists now, after the answer.

        A store that fails makes a WARNING, not an error: the thing exists, and failing would create another.

        :param what: for the message: ``conversation conv_123``.
        :param created: what a later try needs to go on.
        :raises TaskSupersededError: this try is not the current one any more; ``applied`` tells whether it was noted.
        """
        self.note(**created)
        self.settle()
        try:
            self._write()
        except TaskStateStoreError as error:
            self._log.warning(
                "%s exists, but that could not be noted: if the worker dies before the task ends, a retry cannot know "
                "of it. %s",
                what[:1].upper() + what[1:],
                error.message,
            )

    def forget(self) -> None:
        """Begin anew with the next attempt: what was created is gone."""
        self._record = replace(self._record, created={})
        self.settle()

    def _read(self) -> Record | None:
        kept = self._store.read(self._key)
        if kept is None:
            return None
        try:
            return Record.from_json(kept)
        except ValueError as error:
            raise unreadable(self._key, error) from error

    def _write(self) -> None:
        self._store.write(self._key, self._record.as_json())

    def _prove(self) -> None:
        """Check once that the store keeps what it is told, as all rests on that."""
        if self._is_proven:
            return
        if self._read() != self._record:
            raise forgetful()
        self._is_proven = True


def store_of(context: Context, log: Log) -> StateStore | None:
    """Return the task state store, or None where Airflow has none; the log says so."""
    store: StateStore | None = context.get("task_state_store")
    if store is None:
        log.info("This Airflow has no task state store (3.3 has one): a retry cannot know what an earlier try did")
    return store


def unreadable(key: str, error: ValueError) -> TaskStateStoreError:
    """Return what it means that a key holds what was not written there by us."""
    return TaskStateStoreError(
        f"the key {key!r} in Airflow's task state store cannot be read: {error}; look at what it says and delete it"
    )


def forgetful() -> TaskStateStoreError:
    """Return what it means that a store gives back something else than it was given."""
    return TaskStateStoreError("Airflow's task state store does not return what was written to it")


def open_ledger(context: Context, key: str, calls: Iterable[Call[Any]], *, conn_id: str, log: Log) -> Ledger | None:
    """
    Return the ledger of a task instance, or None where Airflow has no task state store.

    :param key: the name of the record in the store.
    :param calls: all that the task will send, with its input filled in.
    :raises TaskStateStoreError: the record cannot be read.
    """
    store = store_of(context, log)
    if store is None:
        return None
    new = Record(fingerprint=_fingerprint(conn_id, calls), max_tries=getattr(context["ti"], "max_tries", None))
    return Ledger(store, key, new, log=log)


def _fingerprint(conn_id: str, calls: Iterable[Call[Any]]) -> str:
    """Return a digest of what is sent and with which connection; it says nothing of the content."""
    # Not how long an answer may take, which is no part of what is sent.
    requests = [{**asdict(call.request), "timeout_read": None} for call in calls]
    sent = [conn_id, *requests]
    return hashlib.sha256(json.dumps(sent, sort_keys=True).encode()).hexdigest()


def _is_not_current(error: Exception) -> bool:
    detail = getattr(getattr(error, "error", None), "detail", None)
    return isinstance(detail, Mapping) and detail.get("status_code") in _NOT_CURRENT


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
