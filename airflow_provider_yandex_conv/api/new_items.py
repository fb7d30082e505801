"""What is new in a conversation since the last look: which pages to read, where to go on, and what of them counts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence

from airflow_provider_yandex_conv.api import items as api
from airflow_provider_yandex_conv.api.models import Item, ItemPage
from airflow_provider_yandex_conv.api.wire import Call
from airflow_provider_yandex_conv.exceptions import APIStatusError, BadRequestError, NotFoundError

#: How many of the items read last are remembered: any may be deleted, and one that is left tells where to go on.
_REMEMBERED = 10


class NewItems:
    """
    Reads on in a conversation, look by look, oldest first.

    :param after: id of the item after which the first look begins; None for the beginning of the conversation.
    :param role: of the items that count: ``user``, ``assistant``, ...; None for any.
    :param item_type: of the items that count: ``message``, ``function_call``, ...; None for any.
    :param read: ids of items that were read before, oldest first, as :attr:`read` has given them.
    :raises ConfigurationError: the id of the conversation is empty.
    """

    def __init__(
        self,
        conversation_id: str,
        *,
        after: str | None = None,
        role: str | None = None,
        item_type: str | None = None,
        read: Sequence[str] = (),
    ) -> None:
        api.list_page(conversation_id)  # so that an id that cannot be one is refused here
        self._conversation_id = conversation_id
        self._after = after
        self._role = role
        self._item_type = item_type
        self._read = list(read)

    @property
    def read(self) -> list[str]:
        """Ids of the items that were read last, at most 10, oldest first: where the next look goes on."""
        return list(self._read)

    def look(self, send: Callable[[Call[ItemPage]], ItemPage]) -> tuple[Item, ...]:
        """
        Read on, to the end of the first page with an item that counts, or of the conversation.

        Where the item that was read last has been deleted meanwhile, it goes on after the last that is still there, and
        begins anew where none is: it would rather give an item twice than never.

        :param send: as ``Client.send``.
        :return: the items of that page that count; empty if there are none.
        :raises NotFoundError: there is no such conversation.
        :raises BadRequestError: there is no item ``after`` in it.
        :raises YandexAIStudioError: a request failed. The next look goes on where this one has come to.
        """
        pages = self._pages()
        try:
            call = next(pages)
            while True:
                answer: ItemPage | APIStatusError
                try:
                    answer = send(call)
                except APIStatusError as error:
                    answer = error
                call = _go_on(pages, answer)
        except StopIteration as end:
            return tuple(end.value)

    async def look_async(self, send: Callable[[Call[ItemPage]], Awaitable[ItemPage]]) -> tuple[Item, ...]:
        """Do as :meth:`look` does, in an event loop."""
        pages = self._pages()
        try:
            call = next(pages)
            while True:
                answer: ItemPage | APIStatusError
                try:
                    answer = await send(call)
                except APIStatusError as error:
                    answer = error
                call = _go_on(pages, answer)
        except StopIteration as end:
            return tuple(end.value)

    def _pages(self) -> Generator[Call[ItemPage], ItemPage, list[Item]]:
        page = yield from self._first_page()
        begun = set()
        while True:
            self._read = [*self._read, *(item.id for item in page.items)][-_REMEMBERED:]
            counted = [item for item in page.items if self._counts(item)]
            # A server that turns in circles must not make a task do so.
            if counted or not page.has_more or not page.last_id or page.last_id in begun:
                return counted
            begun.add(page.last_id)
            page = yield api.list_page(self._conversation_id, after=page.last_id)

    def _first_page(self) -> Generator[Call[ItemPage], ItemPage, ItemPage]:
        if not self._read:
            return (yield api.list_page(self._conversation_id, after=self._after))
        refusals: list[APIStatusError] = []
        for after in dict.fromkeys((*reversed(self._read), self._after, None)):
            try:
                page = yield api.list_page(self._conversation_id, after=after)
            except (BadRequestError, NotFoundError) as error:
                refusals.append(error)
                continue
            # Not before: a conversation that is not there for a while has the same items when it is back.
            self._read = self._read[: self._read.index(after) + 1] if after in self._read else []
            return page
        raise refusals[0]

    def _counts(self, item: Item) -> bool:
        return self._role in {None, item.role} and self._item_type in {None, item.type}


def _go_on(pages: Generator[Call[ItemPage], ItemPage, list[Item]], answer: ItemPage | APIStatusError) -> Call[ItemPage]:
    return pages.throw(answer) if isinstance(answer, APIStatusError) else pages.send(answer)
