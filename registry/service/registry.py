"""The registry as its users have it, and the one place where its parts are put together."""

from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from registry.errors import IdentityUnreadable, Unusable
from registry.pins import Pins
from registry.sealing.identity import Identity, IdentityFile, read_identity
from registry.service.ledger import Ledger
from registry.service.surroundings import Surroundings
from registry.service.tokens import Tokens
from registry.settings import Settings, load_settings
from registry.store.sqlite import SQLiteStore
from registry.values import Secret

if TYPE_CHECKING:
    from registry.service.applications import Applications
    from registry.service.disclosing import Disclosing, Resolved
    from registry.service.history import HistoryQuery
    from registry.service.importing import Importing
    from registry.service.members import Members
    from registry.service.policies import Policies
    from registry.service.whoami import Whoami
    from registry.views.history import HistoryEntry

PassphrasePrompt = Callable[[], Secret]


class Registry:
    """An open registry. Use it as a context manager; one instance serves one thread at a time."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
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

    @cached_property
    def _disclosing(self) -> "Disclosing":
        from registry.service.disclosing import Disclosing  # noqa: PLC0415

        return Disclosing(self._ledger)

    def resolve(
        self, name: str, *, app: str | None = None, only_global: bool = False, process: str | None = None
    ) -> "Resolved":
        """Return a token's credentials as a running app needs them; their first use is recorded before.

        For an app member a name without ``app`` means its own application's token before a global one, for an admin
        the global one. ``process`` names the process that asks; a form-based app's token is refused to any.
        """
        from registry.service.disclosing import Asked  # noqa: PLC0415

        return self._disclosing.resolve(Asked(name=name, app=app, only_global=only_global, process=process))

    def require(self, *roles: str) -> None:
        """Raise ``NotPermitted`` unless the member has one of the roles: ``admin``, ``auditor``, ``app``.

        Every use case asks by itself; this is for those who would ask a person for something before.
        """
        self._ledger.require(*roles)

    @property
    def shred_pending(self) -> bool:
        """Whether a reader keeps overwritten keys in the files; the next command after it has ended removes them."""
        return self._ledger.store.shred_pending()

    def whoami(self) -> "Whoami":
        """Return who the identity is in this registry, and what it may open."""
        from registry.service.whoami import whoami  # noqa: PLC0415

        return whoami(self._ledger)

    @cached_property
    def importing(self) -> "Importing":
        """The import of many tokens at once."""
        from registry.service.importing import Importing  # noqa: PLC0415

        return Importing(self._ledger)

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

    def history(self, query: "HistoryQuery | None" = None) -> "Iterator[HistoryEntry]":
        """Yield what happened, oldest first; ``NotFound`` for a token, application or member there never was."""
        from registry.service.history import history  # noqa: PLC0415 - not on the way of those who look at the present

        return history(self._ledger, query)


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
        pins = Pins(Path(settings.state.value))
        pin = pins.get(store_url(path))
        if pin is None:
            raise Unusable(f"this machine does not know the registry at {path}", "'join' makes it known")
        identity = open_identity(settings, passphrase)
        if store.shred_pending():
            store.shred(wait=False)
        return Registry(Ledger(store, pin, identity, surroundings or Surroundings(), pins.advance))
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
