"""The portal: what all requests share."""

from __future__ import annotations

from collections.abc import Callable

from billing.stores.store import Store
from softswitch.config.config import Config
from softswitch.errors.catalogue import CATALOGUE
from softswitch.errors.entry import Kind
from softswitch.operations.installation.setup import epoch_ms
from softswitch.portal import pdf_pages
from softswitch.portal.deliveries import Deliveries
from softswitch.portal.feed import Feed
from softswitch.portal.gateway import Gateway
from softswitch.portal.held_files import HeldFiles
from softswitch.portal.identity import Identity
from softswitch.portal.phones import PhoneDesk
from softswitch.portal.reader import Reader
from softswitch.portal.switch_client import SwitchClient
from softswitch.portal.templates import Templates


class Portal:
    """The portal's parts.

    Args:
        store: of the identity; its connections may write.
        now_ms: the clock of the identity, in epoch milliseconds.
    """

    def __init__(self, config: Config, now_ms: Callable[[], int] = epoch_ms) -> None:
        self.config = config
        self.store = Store(config.database.url)
        self.reader = Reader(config)
        self.switch = SwitchClient(config.portal_socket)
        self.gateway = Gateway(self.reader, self.switch)
        self.identity = Identity(config, self.store, now_ms)
        self.templates = Templates()
        self.feed = Feed(config.portal_socket)
        self.deliveries = Deliveries(
            self.store.engine, self.reader, self.identity, config.portal.webhook_networks
        )
        self.held_files = HeldFiles()
        self.phones = PhoneDesk(config, self.gateway)

    @staticmethod
    def kind_of(code: str) -> Kind:
        """The class of an error, by its code."""
        entry = CATALOGUE.get(code)
        return "failed" if entry is None else entry.kind

    async def close(self) -> None:
        """End streams and close the database."""
        await self.feed.close()
        await self.deliveries.close()
        await self.phones.close()
        pdf_pages.close()
        self.reader.close()
        self.store.close()
