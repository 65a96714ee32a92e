"""The registry of access tokens, as a library.

``open_registry()`` opens the registry that this machine's settings point at; everything else is reached from it::

    with open_registry() as registry:
        token = registry.tokens.show("Zoom Production")
"""

from registry._version import __version__
from registry.errors import (
    AlreadyExists,
    CannotTell,
    ClockBehind,
    Conflict,
    Found,
    IdentityMissing,
    IdentityUnreadable,
    IntegrityError,
    InvalidValue,
    NotFound,
    NotPermitted,
    ProviderRejected,
    ProviderUndecided,
    RegistryError,
    StoreBusy,
    StoreMissing,
    StoreUnreadable,
    Unusable,
    WrongPassphrase,
)
from registry.providers import catalogue as providers
from registry.providers.interface import Field, Outcome, Provider, TestResult
from registry.sealing.identity import Identity, IdentityFile, PublicIdentity, read_identity
from registry.service.applications import ApplicationView
from registry.service.doctor import Diagnosis, Finding, Level, diagnose
from registry.service.importing import Action, Imported, OnConflict
from registry.service.registry import (
    HistoryQuery,
    Initialised,
    Registry,
    init_registry,
    open_identity,
    open_registry,
    read_passphrase,
)
from registry.service.surroundings import Surroundings
from registry.service.tokens import Changed, NewToken, TokenEdit
from registry.settings import Setting, Settings, load_settings
from registry.values import Secret, parse_expiry, parse_moment, rfc3339
from registry.views.current import LastTest, TokenView
from registry.views.history import HistoryEntry

__all__ = [
    "Action",
    "AlreadyExists",
    "ApplicationView",
    "CannotTell",
    "Changed",
    "ClockBehind",
    "Conflict",
    "Diagnosis",
    "Field",
    "Finding",
    "Found",
    "HistoryEntry",
    "HistoryQuery",
    "Identity",
    "IdentityFile",
    "IdentityMissing",
    "IdentityUnreadable",
    "Imported",
    "Initialised",
    "IntegrityError",
    "InvalidValue",
    "LastTest",
    "Level",
    "NewToken",
    "NotFound",
    "NotPermitted",
    "OnConflict",
    "Outcome",
    "Provider",
    "ProviderRejected",
    "ProviderUndecided",
    "PublicIdentity",
    "Registry",
    "RegistryError",
    "Secret",
    "Setting",
    "Settings",
    "StoreBusy",
    "StoreMissing",
    "StoreUnreadable",
    "Surroundings",
    "TestResult",
    "TokenEdit",
    "TokenView",
    "Unusable",
    "WrongPassphrase",
    "__version__",
    "diagnose",
    "init_registry",
    "load_settings",
    "open_identity",
    "open_registry",
    "parse_expiry",
    "parse_moment",
    "providers",
    "read_identity",
    "read_passphrase",
    "rfc3339",
]
