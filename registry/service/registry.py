"""The registry as its users have it, and the one place where its parts are put together."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from registry.errors import IdentityUnreadable, Unusable
from registry.pins import Pin, Pins
from registry.sealing.identity import Identity, IdentityFile, read_identity
from registry.service.closing import Closing
from registry.service.ledger import Ledger
from registry.service.places import place_of
from registry.service.surroundings import Surroundings
from registry.service.tokens import Tokens
from registry.settings import Settings, load_settings
from registry.store.place import Place
from registry.values import Secret

if TYPE_CHECKING:
    from registry.exports.formats import ExportFormat
    from registry.providers.signing import CurrentAuth
    from registry.service.applications import Applications
    from registry.service.changes import Changes
    from registry.service.disclosing import Asked, Resolved
    from registry.service.evidence import Evidence
    from registry.service.history import HistoryQuery
    from registry.service.importing import Importing
    from registry.service.log import Log
    from registry.service.members import Members
    from registry.service.policies import Policies
    from registry.service.resolving import Resolver
    from registry.service.token_watch import TokenWatch
    from registry.service.whoami import Whoami
    from registry.views.history import HistoryEntry
    from registry.views.usage import Usage

PassphrasePrompt = Callable[[], Secret]


class Registry(Closing):
    """An open registry. Use it as a context manager; one instance serves one thread at a time."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._closed = False
        self._resolver: Resolver | None = None
        self._resolvers: dict[str, Resolver] = {}
        self._auths: dict[tuple[str, str | None, bool, str | None], CurrentAuth] = {}
        self.tokens = Tokens(ledger)

    # What follows is imported by those who use it: a command that shows a token starts twice as fast without.

    @cached_property
    def applications(self) -> "Applications":
        """The applications of the registry."""
        from registry.service.applications import Applications  # noqa: PLC0415

        return Applications(self._ledger)

    @cached_property
    def policies(self) -> "Policies":
        """The rules that hold for the whole registry."""
        from registry.service.policies import Policies  # noqa: PLC0415

        return Policies(self._ledger)

    @cached_property
    def members(self) -> "Members":
        """The members of the registry, and the keys they are given."""
        from registry.service.members import Members  # noqa: PLC0415

        return Members(self._ledger)

    def _made_resolver(self) -> "Resolver":
        if self._closed:
            raise Unusable("this registry was closed", "open it anew")
        from registry.service.resolving import Resolver  # noqa: PLC0415

        # Of several threads that come first, each goes on with the same one: what is lost here holds nothing yet.
        self._resolver = self._resolvers.setdefault("", Resolver(self._ledger))
        return self._resolver

    def resolve(
        self, name: str, *, app: str | None = None, only_global: bool = False, process: str | None = None
    ) -> "Resolved":
        """Return a token's credentials as a running app needs them; their first use is recorded before.

        For an app member a name without ``app`` means its own application's token before a global one, for an admin
        the global one. ``process`` names the process that asks; a form-based app's token is refused to any.
        """
        return (self._resolver or self._made_resolver()).resolve(name, app, only_global, process)

    def auth(
        self, name: str, *, app: str | None = None, only_global: bool = False, process: str | None = None
    ) -> "CurrentAuth":
        """Return what signs the requests of ``httpx`` clients, sync and async, with a token's credentials.

        Each request is signed with those that are current at that moment; the name is understood as in ``resolve``,
        whose errors the request raises. It is the same object for the same name, so that clients share access tokens.
        """
        key = (name, app, only_global, process)
        if key not in self._auths:
            from registry.providers.signing import CurrentAuth  # noqa: PLC0415 - httpx is slow to import

            resolver = self._resolver or self._made_resolver()
            auth = CurrentAuth(partial(resolver.resolve, *key), partial(resolver.at_hand, *key))
            return self._auths.setdefault(key, auth)
        return self._auths[key]

    def changes(
        self,
        after: int | None = None,
        *,
        timeout: float | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> "Changes":
        """Return an iterator over the commits behind a position, in their order, each as soon as it is made.

        ``after`` is the last position that was seen, -1 for none; without it, what is committed from now on comes.
        ``InvalidValue`` if the history does not reach it. It ends when nothing came for ``timeout`` seconds, when
        ``stop`` returns true, and by its own ``close``, which any thread may call; until then it waits for more.
        App members learn what happened to the tokens they may use, admins and auditors what ``history`` shows.
        """
        from registry.service.changes import Changes  # noqa: PLC0415 - as below

        return Changes(self._ledger, after, timeout, stop)

    def token_watch(self, wanted: "Sequence[Asked]") -> "TokenWatch":
        """Return what says whether names still mean the same tokens with the same credentials.

        Make it before the values are asked for: then no change is missed in between.
        """
        from registry.service.token_watch import TokenWatch  # noqa: PLC0415 - as below

        return TokenWatch(self._ledger, wanted)

    def require(self, *roles: str) -> None:
        """Raise ``NotPermitted`` unless the member has one of the roles: ``admin``, ``auditor``, ``app``.

        Every use case asks by itself; this is for those who would ask a person for something before.
        """
        self._ledger.require(*roles)

    @property
    def shred_pending(self) -> bool:
        """Whether a reader keeps overwritten keys in the files; the next command after it has ended removes them."""
        return self._ledger.store.shred_pending()

    @property
    def is_away(self) -> bool:
        """Whether the registry was moved to another store, so that this one stands still and hands nothing out."""
        return self._ledger.is_away()

    def reopen(self, *, reason: str | None = None) -> None:
        """Have the registry go on here after all, once it was moved away; ``InvalidValue`` if it was not.

        If it goes on where it was moved to as well, the two are a fork.
        """
        from registry.service.moving import reopen  # noqa: PLC0415 - as above

        reopen(self._ledger, reason)

    def whoami(self) -> "Whoami":
        """Return who the identity is in this registry, and what it may open."""
        from registry.service.whoami import whoami  # noqa: PLC0415

        return whoami(self._ledger)

    @cached_property
    def evidence(self) -> "Evidence":
        """What outsiders are given of the registry; ``verify_evidence`` is for them."""
        from registry.service.evidence import Evidence  # noqa: PLC0415 - as above

        return Evidence(self._ledger)

    @cached_property
    def importing(self) -> "Importing":
        """The import of many tokens at once."""
        from registry.service.importing import Importing  # noqa: PLC0415

        return Importing(self._ledger)

    @cached_property
    def log(self) -> "Log":
        """The log: its newest checkpoint, and proofs of what is in it."""
        from registry.service.log import Log  # noqa: PLC0415

        return Log(self._ledger)

    def close(self) -> None:
        """Let go of the store."""
        self._closed = True
        try:
            if self._resolver is not None:
                self._resolver.close()
        finally:
            self._ledger.close()

    @property
    def registry_id(self) -> str:
        """The registry's id: 64 hexadecimal digits, the hash of its founding statement."""
        return self._ledger.registry.hex()

    def history(self, query: "HistoryQuery | None" = None, *, diff: bool = False) -> "Iterator[HistoryEntry]":
        """Yield what happened, oldest first; ``NotFound`` for a token, application or member there never was.

        With ``diff`` each entry says of every field that changed what it was and what it is.
        """
        from registry.service.history import history  # noqa: PLC0415 - not on the way of those who look at the present

        return history(self._ledger, query, diff=diff)

    def export(
        self,
        query: "HistoryQuery | None" = None,
        *,
        format: "ExportFormat | str" = "jsonl",  # noqa: A002 - the word that the command uses
        after: int | None = None,
    ) -> Iterator[str]:
        """Yield the history as lines for other tools, one for each event; the same errors as ``history``.

        ``after`` goes on behind the event of that position: the lines that follow it, and no heading.
        """
        from registry.service.exporting import export  # noqa: PLC0415 - as above

        return export(self._ledger, query, format, after)

    def usage(self, name: str, *, app: str | None = None) -> "Sequence[Usage]":
        """Return who is recorded to use a token, who used it last first; the history is read once for it.

        ``NotFound`` if there is no token of that name in the scope now.
        """
        from registry.service.usage import usage  # noqa: PLC0415 - as above

        return usage(self._ledger, name, app)


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
    place = place_of(settings)
    store = place.open_to_read()
    try:
        pins = Pins(Path(settings.state.value))
        pin = known_pin(pins, place)
        store.heed(pins.following(place.url))
        identity = open_identity(settings, passphrase)
        if store.shred_pending():
            store.shred(wait=False)
        return Registry(Ledger(store, pin, identity, surroundings or Surroundings(), pins))
    except BaseException:
        store.close()
        raise


def known_pin(pins: Pins, place: Place) -> Pin:
    """Return what this machine knows of the store at a place; ``Unusable`` if it never met it."""
    pin = pins.get(place.url)
    if pin is None:
        raise Unusable(f"this machine does not know the registry at {place}", "'join' makes it known")
    return pin


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
