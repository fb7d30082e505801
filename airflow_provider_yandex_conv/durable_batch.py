"""
How far a batch has come, kept in Airflow's task state store: one key for each chunk of the input.

A batch gives out slots, at most ``concurrency`` of them. One write notes what came of those that are given back, and
what they are given out for next; only then is that sent. So a slot is in the store from before its request leaves
until its result is there as well, and what a killed process leaves open are those slots: at most ``concurrency``,
each by its place in the input and the ``x-client-request-id`` of its request.

A write takes a round trip to Airflow's API server, 5 to 40 ms, and costs that more than a create costs us. So a write
takes in all that came since the one before, and waits while more than half of the slots that the quota leaves over are
given out and not yet used, for 0.25 s at most. With ``concurrency`` at three times the quota that hides the writes: a
thousand creates of 50 ms with a quota of ten took 5.7 s beside 5.5 s without a store, and 26 writes a second.
With ``concurrency`` at the quota every request waits for a write.

A write holds one chunk, two where the batch passes from one to the next: with 100 ids some 5 kB, well below the 64 kB
that Airflow advises, and there are some hundred keys for ten thousand.

An iterator cannot be read ahead of time, so each chunk has a fingerprint of its own: a retry whose input is another
from some place on uses what is there of the chunks before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_yandex_conv.durable import GuardedStore, StateStore, forgetful, unreadable

if TYPE_CHECKING:
    from airflow_provider_yandex_conv.sending import Log


@dataclass(slots=True, kw_only=True)
class ChunkRecord:
    """
    What is known of one chunk of the input.

    :param fingerprint: of the chunk, and of the connection.
    :param max_tries: of the task instance. A retry leaves it, a user's clear raises it.
    :param results: in the order of the chunk, None for what is not done.
    :param begun: what was noted before the requests for something that has no result yet, by its place in the chunk:
        their ``x-client-request-id``, or all that it takes to go on.
    """

    fingerprint: str
    max_tries: int | None
    results: list[Any]
    begun: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as the store keeps it."""
        return {
            "fingerprint": self.fingerprint,
            "max_tries": self.max_tries,
            "results": list(self.results),
            "begun": dict(self.begun),
        }

    @classmethod
    def from_json(cls, kept: Any) -> ChunkRecord:
        """
        Read what the store keeps.

        :raises ValueError: it is not what :meth:`as_json` writes.
        """
        if not isinstance(kept, Mapping) or set(kept) != set(cls.__slots__):
            raise ValueError("its fields are not those that were written")
        sound = (
            isinstance(kept["fingerprint"], str)
            and isinstance(kept["max_tries"], int | None)
            and isinstance(kept["results"], list)
            and isinstance(kept["begun"], Mapping)
            and all(one.isdecimal() and int(one) < len(kept["results"]) for one in kept["begun"])
        )
        if not sound:
            raise ValueError("a field is not of the kind that was written")
        return cls(**{**kept, "results": list(kept["results"]), "begun": dict(kept["begun"])})


class BatchLedger:
    """
    The ``BatchJournal`` of one task instance.

    :param store: Airflow's task state store.
    :param key: how the names of the keys begin.
    :param max_tries: of the task instance.
    :param conn_id: of the connection, which is part of the fingerprint.
    :param chunk_size: how many things a key is for.
    :param what: the things, for the log: ``conversations``.
    """

    def __init__(
        self,
        store: StateStore,
        key: str,
        *,
        max_tries: int | None,
        conn_id: str,
        chunk_size: int,
        what: str,
        log: Log,
    ) -> None:
        self._store = GuardedStore(store)
        self._key = key
        self._max_tries = max_tries
        self._conn_id = conn_id
        self._what = what
        self._log = log
        self._records: dict[int, ChunkRecord] = {}
        self._dirty: set[int] = set()
        self._is_proven = False
        self.chunk_size = chunk_size

    def open(self, first: int, specs: Sequence[Any]) -> tuple[dict[int, Any], dict[int, Any]]:
        """
        Return what earlier tries did of a chunk: results by their index, and what was begun.

        :param first: the index of the first of ``specs``.
        :raises TaskStateStoreError: it cannot be read.
        """
        number = first // self.chunk_size
        new = ChunkRecord(
            fingerprint=_fingerprint(self._conn_id, specs), max_tries=self._max_tries, results=[None] * len(specs)
        )
        found = self._read(number)
        self._records[number] = new
        if found is None:
            return {}, {}
        if found.max_tries != new.max_tries:
            self._put_aside(first, found, "are done anew, as the task was cleared")
            return {}, {}
        if found.fingerprint != new.fingerprint:
            self._put_aside(first, found, "are done anew, as the task's input was another then")
            return {}, {}
        self._records[number] = found
        done = {first + place: one for place, one in enumerate(found.results) if one is not None}
        return done, {first + int(place): one for place, one in found.begun.items()}

    def later(self, first: int) -> Iterator[list[Any]]:
        """
        Give the results of earlier tries for the chunks that were not opened, in order.

        :param first: the index of the first thing in them.
        :raises TaskStateStoreError: they cannot be read.
        """
        number = first // self.chunk_size
        while (found := self._read(number)) is not None and found.max_tries == self._max_tries:
            yield found.results
            number += 1

    def put_aside_rest(self, count: int) -> None:
        """
        Say what earlier tries did that is not in the input any more.

        :param count: how many things there are.
        :raises TaskStateStoreError: it cannot be read.
        """
        number = -(-count // self.chunk_size)
        while (found := self._read(number)) is not None:
            self._put_aside(number * self.chunk_size, found, "are not in the task's input any more")
            number += 1

    def begin(self, index: int, state: Any) -> None:
        """Note what is sent once :meth:`commit` has returned."""
        record, place = self._find(index)
        record.begun[str(place)] = state

    def settle(self, index: int, result: Any) -> None:
        """Note a result, or with None that the last attempt was certainly not applied."""
        record, place = self._find(index)
        record.begun.pop(str(place), None)
        record.results[place] = result

    def commit(self) -> None:
        """
        Keep all that was noted.

        :raises TaskStateStoreError: it cannot be kept.
        :raises TaskSupersededError: this try is not the current one any more.
        """
        for number in sorted(self._dirty):  # results come before what is begun next
            record = self._records[number]
            self._store.write(self._name(number), record.as_json())
            self._dirty.discard(number)
            if not self._is_proven and self._read(number) != record:
                raise forgetful()
            self._is_proven = True
            if not record.begun and None not in record.results:
                del self._records[number]

    def _find(self, index: int) -> tuple[ChunkRecord, int]:
        number, place = divmod(index, self.chunk_size)
        self._dirty.add(number)
        return self._records[number], place

    def _name(self, number: int) -> str:
        return f"{self._key}_{number}"

    def _read(self, number: int) -> ChunkRecord | None:
        kept = self._store.read(self._name(number))
        if kept is None:
            return None
        try:
            return ChunkRecord.from_json(kept)
        except ValueError as error:
            raise unreadable(self._name(number), error) from error

    def _put_aside(self, first: int, found: ChunkRecord, why: str) -> None:
        """Say what a record that does not count any more leaves behind."""
        left = [str(one) for one in found.results if one is not None]
        left += [f"what became of {one}" for one in found.begun.values()]
        if left:
            self._log.warning(
                "%s[%d] to [%d] %s. What was done before stays: %s",
                self._what,
                first,
                first + len(found.results) - 1,
                why,
                ", ".join(left),
            )


def _fingerprint(conn_id: str, specs: Sequence[Any]) -> str:
    """Return a digest of what is sent and with which connection; it says nothing of the content."""
    # What is no JSON cannot be sent, and its kind is all that can be told of it in another process.
    sent = json.dumps([conn_id, *specs], sort_keys=True, default=lambda one: type(one).__name__)
    return hashlib.sha256(sent.encode()).hexdigest()
