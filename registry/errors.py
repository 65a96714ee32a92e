"""Every error the registry raises on purpose, in one tree.

::

    RegistryError
    ├── InvalidValue            a value, name or option that can never be right
    ├── NotFound                no such token, application, field or member
    ├── AlreadyExists           the name is taken, or a registry is already there
    ├── Conflict                somebody else changed it meanwhile
    ├── NotPermitted            a role, a key or a policy forbids it
    ├── IntegrityError          what the store holds is not what was committed
    ├── ProviderRejected        the provider refused the credentials
    ├── ProviderUndecided       the provider gave no verdict
    ├── Unusable                no registry, store or identity can be used here
    │   ├── StoreMissing        nothing is at the store's place
    │   ├── StoreBusy           other writers held the store for too long
    │   ├── StoreUnreadable     not a registry, damaged, newer, or no room left
    │   ├── StoreMoved          the registry goes on in another store
    │   ├── OutcomeUnknown      the store was lost before it had said whether the change was made
    │   ├── IdentityMissing     no identity file
    │   ├── IdentityUnreadable  damaged, or readable by other users
    │   ├── WrongPassphrase     the identity did not open
    │   └── ClockBehind         this machine's clock lags behind the history
    ├── Found                   what ``--fail`` asked about is there
    └── CannotTell              there is nothing to compare with

Each carries one line for a person and, where there is one, a hint at what to do. No message ever holds a secret.
"""


class RegistryError(Exception):
    """The base of every error of the registry.

    ``hint`` says what the caller can do, ``detail`` shows more lines of what was found; either may be ``None``.
    """

    def __init__(self, message: str, hint: str | None = None, detail: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        self.detail = detail


class InvalidValue(RegistryError):
    """A value, name or option that can never be right."""


class NotFound(RegistryError):
    """There is no such token, application, field or member for this caller."""


class AlreadyExists(RegistryError):
    """The name is taken, or a registry is already there."""


class Conflict(RegistryError):
    """Somebody else changed the same thing meanwhile; nothing was written."""


class NotPermitted(RegistryError):
    """The member's role, its keys or a policy forbid it; nothing was done."""


class IntegrityError(RegistryError):
    """The store holds something that no member committed."""


class ProviderRejected(RegistryError):
    """The provider refused the credentials."""


class ProviderUndecided(RegistryError):
    """The provider was not reached, or gave no verdict."""


class Unusable(RegistryError):
    """No registry, store or identity can be used here."""


class StoreMissing(Unusable):
    """Nothing is at the store's place."""


class StoreBusy(Unusable):
    """Other writers held the store for longer than a command waits."""


class StoreUnreadable(Unusable):
    """The store is not a registry, is damaged, newer than this program, or cannot be written."""


class StoreMoved(Unusable):
    """The registry was moved: it goes on in another store, and this one accepts no commits and hands nothing out."""


class OutcomeUnknown(Unusable):
    """The store was lost before it had answered: nobody knows whether the change was made."""


class IdentityMissing(Unusable):
    """There is no identity file."""


class IdentityUnreadable(Unusable):
    """The identity file is damaged, or other users may read it."""


class WrongPassphrase(Unusable):
    """The identity did not open under this passphrase."""


class ClockBehind(Unusable):
    """This machine's clock is more than ten minutes behind the history."""


class Found(RegistryError):
    """What ``--fail`` asked about was found."""


class CannotTell(RegistryError):
    """There is nothing to compare with."""
