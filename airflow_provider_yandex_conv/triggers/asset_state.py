"""What an event trigger keeps over restarts of its triggerer: in the state store of the asset that it watches for."""

from __future__ import annotations

from typing import Any

from airflow_provider_yandex_conv.sending import Log


class AssetState:
    """
    One value, kept in Airflow's asset state store (3.3 and later), or not at all where there is none.

    :param store: what the triggerer has given to the trigger; None below Airflow 3.3 and for a deferred task.
    :param key: the name of the value.
    :param log: gets a WARNING where the value is not kept.
    """

    def __init__(self, store: Any, key: str, log: Log) -> None:
        self._store = store if hasattr(store, "aset") else None
        self._key = key
        self._log = log

    async def read(self) -> Any:
        """
        Return the value, or None where there is none yet.

        An error of the store is left to the triggerer, which then builds the trigger anew: it never means that there is
        nothing.
        """
        if self._store is None:
            self._log.warning("No asset state store (Airflow 3.3 has one): a new start of this trigger begins anew")
            return None
        try:
            return await self._store.aget(self._key)
        except ValueError:  # Airflow does not say of which of its assets the trigger may ask
            self._store = None
            self._log.warning("This trigger watches over several assets: a new start of it begins anew")
            return None

    async def write(self, value: Any) -> None:
        """Keep a value, which must not be None. The events have fired, so a failure is only logged."""
        if self._store is None:
            return
        try:
            await self._store.aset(self._key, value)
        except Exception as error:  # noqa: BLE001  # Airflow's classes for it differ, and none may end the trigger
            self._log.warning(
                "What has fired was not noted (%r): after a new start of this trigger its last events fire again", error
            )
