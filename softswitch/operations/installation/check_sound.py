"""The check of where messages, greetings and recordings are kept."""

from __future__ import annotations

from sqlalchemy.exc import SQLAlchemyError

from billing.stores.store import Store, StoreError
from softswitch.cluster import node_store
from softswitch.config.config import Config, ConfigError
from softswitch.voicemail.bucket import bucket_of

GONE = ("stopped", "ended")


def stored_sound(config: Config) -> tuple[bool | None, str]:
    """True if every switch on the database finds what another has recorded; and where that is."""
    if config.sound.bucket:
        try:
            bucket = bucket_of(config.sound, config.voicemail_dir.name)
            if bucket is not None:
                bucket.check()
        except ConfigError as error:
            return False, str(error)
        except OSError as error:
            return False, f"{config.sound.bucket}: {error.strerror or error}"
        return True, f"{config.sound.bucket}, as all switches on this database need it"
    if config.sound.folder is not None:
        if not config.sound.folder.is_dir():
            return False, f"{config.sound.folder} isn't there; [sound] folder chooses"
        return True, f"{config.sound.folder}, which all switches on this database must mount"
    others = _others(config)
    if others:
        return False, (
            f"{config.data_dir} is this switch's own, and {', '.join(others)} can't play what is "
            "recorded here: set [sound] folder (shared) or bucket"
        )
    return True, f"{config.data_dir}, this switch's own"


def _others(config: Config) -> list[str]:
    """Other nodes on the database; none if it can't be read, which another row says."""
    if config.database_file is not None:
        return []
    try:
        store = Store(config.database.url)
        try:
            with store.reading() as connection:
                known = node_store.nodes(connection)
        finally:
            store.close()
    except (StoreError, SQLAlchemyError):
        return []
    names = {row.name for row in known if row.state not in GONE} | set(config.cluster.nodes)
    return [f"node {name!r}" for name in sorted(names - {config.switch.node})]
