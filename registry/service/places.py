"""Which store the settings point at."""

from registry.errors import InvalidValue, StoreUnreadable
from registry.settings import Settings, is_postgresql, sqlite_path
from registry.store.place import Place


def place_of(settings: Settings) -> Place:
    """Return where the store of the settings lies; ``InvalidValue`` if their URL is not that of a store."""
    url = settings.url.value
    if not is_postgresql(url):
        from registry.store.sqlite import SQLitePlace  # noqa: PLC0415 - each kind of store is loaded where it is used

        return SQLitePlace(sqlite_path(url))
    try:
        from registry.store.postgres.place import PostgresPlace  # noqa: PLC0415 - as above
    except ImportError:
        raise StoreUnreadable(
            "stores in PostgreSQL need more libraries", "pip install 'token-registry[postgres]'"
        ) from None
    place = PostgresPlace(url)
    if place.has_password and settings.url.source == "option":
        raise InvalidValue(
            "a password on the command line can be read by every user of this machine",
            "keep it in the file that PGPASSFILE names, or the whole URL in TOKEN_REGISTRY_URL",
        )
    return place
