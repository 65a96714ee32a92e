"""The registry as its users have it, and the one place where its parts are put together."""

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from registry.errors import IdentityUnreadable, NotFound, Unusable
from registry.pins import Pins
from registry.sealing.identity import Identity, IdentityFile, read_identity
from registry.service import founding
from registry.service.applications import Applications
from registry.service.importing import Importing
from registry.service.ledger import Ledger
from registry.service.policies import Policies
from registry.service.surroundings import Surroundings
from registry.service.tokens import Tokens
from registry.settings import Settings, load_settings
from registry.store.sqlite import SQLiteStore
from registry.values import Secret, TokenId
from registry.views.history import NAMING_TOPICS, HistoryEntry, HistoryFilter, bearers, entries

_ID = re.compile(r"[0-9a-f]{32}\Z")

PassphrasePrompt = Callable[[], Secret]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryQuery:
    """Which part of the history is wanted; what is ``None`` does not matter."""

    token: str | None = None
    """A token's name or id; a name means every token that ever bore it in the scope, deleted ones too."""
    app: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    actor: str | None = None
    event: str | None = None
    """A topic, or the beginning of topics, ending in a dot."""
    last: int | None = None


class Registry:
    """An open registry. Use it as a context manager; one instance serves one thread at a time."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.tokens = Tokens(ledger)
        self.applications = Applications(ledger)
        self.policies = Policies(ledger)
        self.importing = Importing(ledger, self.tokens)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the store."""
        self._ledger.store.close()

    @property
    def registry_id(self) -> str:
        """The registry's id: 64 hexadecimal digits, the hash of its founding statement."""
        return self._ledger.registry.hex()

    def history(self, query: HistoryQuery | None = None) -> Iterator[HistoryEntry]:
        """Yield what happened, oldest first; ``NotFound`` for a token, application or member there never was."""
        query = query or HistoryQuery()
        self._ledger.require_reader()
        names = self._ledger.directory()
        wanted = HistoryFilter(
            tokens=self._asked_tokens(query),
            actor=names.find_member(query.actor) if query.actor else None,
            since=query.since,
            until=query.until,
            event=query.event,
        )
        found = entries(self._ledger.store.events(), self._ledger.opened, names, wanted)
        yield from found if query.last is None else deque(found, maxlen=query.last)

    def _asked_tokens(self, query: HistoryQuery) -> set[TokenId] | None:
        log = self._ledger.store.events(topics=NAMING_TOPICS)
        names = self._ledger.directory()
        if query.token is None:
            if query.app is None:
                return None
            scopes = set(names.find_former(query.app)) or {names.find_application(query.app)}
            return bearers(log, self._ledger.opened, None, scopes)
        if _ID.match(query.token) and self._ledger.store.stream_version(query.token):
            return {TokenId(query.token)}
        scope = {None} if query.app is None else set(names.find_former(query.app))
        found = bearers(log, self._ledger.opened, query.token, scope)
        if not found:
            raise NotFound(
                f"no token was ever called {query.token!r} there", "'history' without a name shows everything"
            )
        return found


def open_registry(
    settings: Settings | None = None,
    *,
    passphrase: PassphrasePrompt | None = None,
    surroundings: Surroundings | None = None,
) -> Registry:
    """Open the registry that the settings point at, as the member whose identity they name.

    ``passphrase`` is asked for the identity's passphrase where no file holds it. Raises the errors under
    ``Unusable`` where something is missing or cannot be used, ``IntegrityError`` where the store is not what this
    machine knows, and ``NotPermitted`` where the identity is no member.
    """
    settings = settings or load_settings()
    path = settings.store_path()
    store = SQLiteStore.open(path)
    try:
        pin = Pins(Path(settings.state.value)).get(store_url(path))
        if pin is None:
            raise Unusable(
                f"this machine does not know the registry at {path}",
                "it has no pin of it; the id of a registry is never taken from its database",
            )
        identity = open_identity(settings, passphrase)
        if store.shred_pending():
            store.shred()
        return Registry(Ledger(store, pin.registry_id, identity, surroundings or Surroundings()))
    except BaseException:
        store.close()
        raise


def store_url(path: Path) -> str:
    """Return the URL under which a machine remembers an SQLite store."""
    return f"sqlite:///{path.resolve()}"


def open_identity(settings: Settings, passphrase: PassphrasePrompt | None = None) -> Identity:
    """Return the identity that the settings name, opened."""
    return opened(read_identity(Path(settings.identity.value)), settings, passphrase)


def opened(file: IdentityFile, settings: Settings, passphrase: PassphrasePrompt | None) -> Identity:
    """Return the identity of a file, opened with the passphrase from its file or the prompt."""
    if not file.locked:
        return file.open()
    if settings.passphrase_file:
        return file.open(read_passphrase(Path(settings.passphrase_file.value)))
    return file.open(passphrase() if passphrase else None)


def read_passphrase(path: Path) -> Secret:
    """Return the first line of a passphrase file; ``IdentityUnreadable`` if others may read it or it is none."""
    try:
        if path.stat().st_mode & 0o077:
            raise IdentityUnreadable(f"other users may read the passphrase file {path}", f"chmod 600 {path}")
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise IdentityUnreadable(f"the passphrase file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise IdentityUnreadable(f"the passphrase file {path} is not text") from None
    if not lines or not lines[0]:
        raise IdentityUnreadable(f"the passphrase file {path} is empty")
    return Secret(lines[0])


@dataclass(frozen=True, slots=True)
class Initialised:
    """A registry that was founded just now."""

    registry_id: str
    member: str
    identity: Path
    identity_created: bool
    store: Path


def init_registry(
    settings: Settings | None = None,
    *,
    name: str,
    new_passphrase: PassphrasePrompt | None = None,
    passphrase: PassphrasePrompt | None = None,
    surroundings: Surroundings | None = None,
) -> Initialised:
    """Found a registry where the settings say, with the member of that name as its first admin.

    An existing identity is used; otherwise one is made, under ``new_passphrase`` if that is given. Raises
    ``AlreadyExists`` where a registry is.
    """
    settings = settings or load_settings()
    around = surroundings or Surroundings()
    path, place = settings.store_path(), Path(settings.identity.value)
    founding.check_vacant(path)
    created = not place.exists()
    if created:
        identity = Identity.generate(name)
        identity.save(place, new_passphrase() if new_passphrase else None)
    else:
        identity = open_identity(settings, passphrase)
    founded = founding.found([(identity, name)], around)
    founding.init_store(path, store_url(path), Pins(Path(settings.state.value)), founded, identity)
    return Initialised(founded.registry.hex(), name, place, created, path)
