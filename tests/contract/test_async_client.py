"""What only the async client has: tasks that are cancelled, and an event loop that nothing may hold up."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest
from asgiref.sync import async_to_sync

from airflow_provider_yandex_conv import exceptions as errors
from airflow_provider_yandex_conv.api import conversations
from airflow_provider_yandex_conv.api.retry import RequestRetry
from airflow_provider_yandex_conv.async_client import AsyncClient
from airflow_provider_yandex_conv.auth.anonymous import Anonymous
from airflow_provider_yandex_conv.auth.credential import TokenSource
from airflow_provider_yandex_conv.auth.metadata import Metadata
from airflow_provider_yandex_conv.endpoint import Endpoint
from airflow_provider_yandex_conv.polling import Polling, PollSchedule
from servers import answer, answering


@pytest.fixture
def new(emulator):
    """Return a function that makes a client, patient enough for nothing but a cancellation to end a call."""

    def make(credential=None, base_url=emulator.base_url, **settings):
        endpoint = Endpoint(base_url=base_url, timeout_read=30)
        return AsyncClient(endpoint, credential or Anonymous(), log=logging.getLogger("client"), **settings)

    return make


async def until(condition):
    """Wait for a condition, in the loop."""
    while not condition():
        await asyncio.sleep(0.005)


async def cancel(task):
    """Cancel a task, which must then end as such."""
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


class TestCancellation:
    """It passes through, and tells of a create that was under way."""

    def test_a_create_under_way_is_named(self, emulator, new, caplog):
        caplog.set_level("WARNING")
        emulator.fail("createConversation", delay=25)

        async def main():
            async with new() as client:
                task = asyncio.create_task(client.send(conversations.create(), on_lost=lambda lost: None))
                await until(lambda: emulator.requests)
                await cancel(task)
                return client.cut_off

        cut = asyncio.run(main())
        (request,) = emulator.requests
        sent = request.headers["x-client-request-id"]
        assert isinstance(cut, errors.AmbiguousOutcomeError)
        assert cut.client_request_ids == (sent,)
        assert f"create conversation: the request was cut off by CancelledError (x-client-request-id {sent})" in str(
            caplog.messages
        )

    def test_what_may_be_repeated_is_not_worth_a_word(self, emulator, new, caplog):
        emulator.fail("getConversation", delay=25)

        async def main():
            async with new() as client:
                task = asyncio.create_task(client.send(conversations.get("c1")))
                await until(lambda: emulator.requests)
                await cancel(task)
                return client.cut_off

        assert asyncio.run(main()) is None
        assert len(emulator.requests) == 1
        assert caplog.messages == []

    def test_a_wait_before_another_attempt_ends(self, emulator, new):
        emulator.fail("createConversation", status=429, headers={"Retry-After": "3600"}, times=None)

        async def main():
            async with new(retry=RequestRetry(wait_max=3600, timeout=7200)) as client:
                task = asyncio.create_task(client.send(conversations.create()))
                await until(lambda: emulator.requests)
                await cancel(task)

        asyncio.run(main())
        assert len(emulator.requests) == 1

    def test_nothing_is_sent_by_a_task_that_was_waiting_for_a_token(self, emulator, new):
        emulator.fail("getMetadataToken", delay=25)

        async def main():
            async with new(Metadata(emulator.metadata_address)) as client:
                task = asyncio.create_task(client.send(conversations.create()))
                await until(lambda: emulator.requests)
                await cancel(task)
                return client.cut_off

        assert asyncio.run(main()) is None
        assert [request.operation for request in emulator.requests] == ["getMetadataToken"]

    def test_the_answer_that_was_not_waited_for_is_not_that_of_the_next_call(self, new):
        asked, gone = threading.Event(), threading.Event()

        def late(connection):
            asked.set()
            assert gone.wait(5)
            connection.sendall(answer("200 OK", b'{"id": "late"}'))

        async def main(port):
            async with new(base_url=f"http://127.0.0.1:{port}/v1") as client:
                task = asyncio.create_task(client.send(conversations.create()))
                await until(asked.is_set)
                await cancel(task)
                gone.set()
                return await client.send(conversations.create())

        with answering(late, answer("200 OK", b'{"id": "own"}')) as (port, _):
            assert asyncio.run(main(port)).id == "own"


def test_an_answer_that_the_loop_has_not_seen_yet_is_not_that_of_the_next_call(new):
    idle, sent = threading.Event(), threading.Event()

    def answer_and_one_more(connection):
        connection.sendall(answer("200 OK", b'{"id": "first"}'))
        assert idle.wait(5)
        connection.sendall(answer("200 OK", b'{"id": "late"}'))
        sent.set()

    async def main(port):
        async with new(base_url=f"http://127.0.0.1:{port}/v1") as client:
            await client.send(conversations.create())
            idle.set()
            assert sent.wait(5)  # without letting the loop run
            return await client.send(conversations.create())

    with answering(answer_and_one_more, answer("200 OK", b'{"id": "own"}')) as (port, _):
        assert asyncio.run(main(port)).id == "own"


class TestLoop:
    """Nothing holds it up."""

    def test_a_server_that_does_not_answer_holds_up_no_other_task(self, emulator, new):
        emulator.fail("getConversation", delay=25, times=20)

        async def main():
            async with new() as client:
                stuck = [asyncio.create_task(client.send(conversations.get("c1"))) for _ in range(20)]
                await until(lambda: len(emulator.requests) == 20)
                created = [await client.send(conversations.create()) for _ in range(5)]
                assert not any(task.done() for task in stuck)
                for task in stuck:
                    await cancel(task)
                return created

        assert [one.id for one in asyncio.run(main())] == [one["id"] for one in emulator.conversations]

    def test_a_failure_does_not_wait_for_the_turn_of_another_call(self, emulator, new):
        emulator.fail("createConversation", delay=25)

        async def main():
            async with new() as client:
                client.limit(1)
                failing = asyncio.create_task(client.send(conversations.get("c1")))
                slow = asyncio.create_task(client.send(conversations.create()))
                with pytest.raises(errors.NotFoundError):
                    await asyncio.wait_for(failing, 10)
                await until(lambda: len(emulator.requests) == 2)
                assert not slow.done()
                await cancel(slow)

        asyncio.run(main())

    def test_many_waits_go_on_beside_each_other(self, emulator, new):
        """Each for a mark that another task sets once all have looked."""

        async def main():
            async with new() as client:
                ids = [(await client.send(conversations.create())).id for _ in range(50)]

                def wait_for(conversation_id):
                    return Polling(
                        conversation_id,
                        PollSchedule(interval=0.05),
                        lambda one: one.metadata == {"done": "1"},
                        log=client.log,
                    ).drive_async(lambda: client.send(conversations.get(conversation_id)))

                waits = [asyncio.create_task(wait_for(one)) for one in ids]
                await until(lambda: len(emulator.requests) >= 150)
                assert not any(wait.done() for wait in waits)
                for one in ids:
                    await client.send(conversations.update(one, metadata={"done": "1"}))
                return ids, [found.id for found in await asyncio.gather(*waits)]

        ids, found = asyncio.run(main())
        assert found == ids

    def test_a_credential_that_reads_or_signs_does_it_elsewhere(self, emulator, new):
        asked, done = threading.Event(), threading.Event()

        class Slow(TokenSource):
            description = "slow token"

            def token_call(self, now):
                asked.set()
                assert done.wait(5), "the event loop was held up"
                return Metadata(emulator.metadata_address).token_call(now)

        async def main():
            async with new(Slow()) as client:
                task = asyncio.create_task(client.send(conversations.create()))
                await until(asked.is_set)
                done.set()
                await task

        asyncio.run(main())
        assert len(emulator.conversations) == 1

    def test_secrets_are_masked_from_where_the_loop_can_be_asked(self, emulator, new):
        """In a triggerer, masking tells the supervisor, in the loop: on Airflow 3.0 and 3.1 by ``async_to_sync``."""
        told = []

        async def tell(texts):
            told.append((asyncio.get_running_loop(), len(texts)))

        async def main():
            async with new(Metadata(emulator.metadata_address), mask=async_to_sync(tell)) as client:
                await client.send(conversations.create())
            assert told == [(asyncio.get_running_loop(), 1)]

        asyncio.run(main())

    def test_a_connection_is_looked_up_from_where_the_loop_can_be_asked(self, connect_to, monkeypatch):
        """As before: on Airflow 3.0 and 3.1, a triggerer asks its supervisor in the loop."""
        hook = connect_to(auth_type="metadata")
        asked = []
        get_connection = hook.get_connection

        async def ask():
            asked.append(asyncio.get_running_loop())

        def ask_and_get(conn_id):
            async_to_sync(ask)()
            return get_connection(conn_id)

        async def main():
            monkeypatch.setattr(hook, "get_connection", ask_and_get)
            async with await hook.get_async_conn() as client:
                await client.send(conversations.create())
            assert asked == [asyncio.get_running_loop()]

        asyncio.run(main())

    def test_tasks_that_start_at_once_ask_for_one_token(self, emulator, new):
        async def main():
            async with new(Metadata(emulator.metadata_address)) as client:
                return await asyncio.gather(*(client.send(conversations.create()) for _ in range(20)))

        created = asyncio.run(main())
        operations = [request.operation for request in emulator.requests]
        assert operations == ["getMetadataToken", *["createConversation"] * 20]
        assert len({one.id for one in created}) == 20


def test_a_closed_client_opens_new_connections(emulator, new):
    async def main():
        client = new()
        for _ in range(2):
            await client.send(conversations.create())
            await client.close()

    asyncio.run(main())
    assert len(emulator.conversations) == 2


def test_a_client_serves_one_event_loop_after_another_when_it_is_closed_between(emulator, new):
    client = new()

    async def main():
        async with client:
            await client.send(conversations.create())

    asyncio.run(main())
    asyncio.run(main())
    assert len(emulator.conversations) == 2


def test_a_call_made_while_another_error_is_handled_says_its_own_reason(new):
    async def main():
        async with new(base_url="http://127.0.0.1:9/v1", retry=RequestRetry(attempts=1)) as client:
            try:
                raise KeyError("no such variable")  # noqa: TRY301  # as in a trigger that falls back on a conversation
            except KeyError:
                await client.send(conversations.create())

    with pytest.raises(errors.APIConnectionError, match="Connection refused") as raised:
        asyncio.run(main())
    assert "no such variable" not in str(raised.value)


def test_cookies_are_not_kept(new):
    async def main(port):
        async with new(base_url=f"http://localhost:{port}/v1") as client:
            for _ in range(2):
                await client.send(conversations.create())

    told = answer("200 OK", b'{"id": "c1"}', Set_Cookie="a=b")
    with answering(told, told) as (port, seen):
        asyncio.run(main(port))
    assert len(seen) == 2
    assert b"cookie" not in seen[1].lower()
