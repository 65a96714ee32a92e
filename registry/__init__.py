"""The registry of access tokens, as a library.

``open_registry()`` opens the registry that this machine's settings point at; everything else is reached from it::

    with open_registry() as registry:
        token = registry.tokens.show("Zoom Production")

Each public name is imported when it is first asked for (PEP 562): a command that shows one token would otherwise pay
for the modules of all the others.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from registry._version import (
        __version__ as __version__,
    )
    from registry.errors import (
        AlreadyExists as AlreadyExists,
    )
    from registry.errors import (
        CannotTell as CannotTell,
    )
    from registry.errors import (
        ClockBehind as ClockBehind,
    )
    from registry.errors import (
        Conflict as Conflict,
    )
    from registry.errors import (
        Found as Found,
    )
    from registry.errors import (
        IdentityMissing as IdentityMissing,
    )
    from registry.errors import (
        IdentityUnreadable as IdentityUnreadable,
    )
    from registry.errors import (
        IntegrityError as IntegrityError,
    )
    from registry.errors import (
        InvalidValue as InvalidValue,
    )
    from registry.errors import (
        NotFound as NotFound,
    )
    from registry.errors import (
        NotPermitted as NotPermitted,
    )
    from registry.errors import (
        ProviderRejected as ProviderRejected,
    )
    from registry.errors import (
        ProviderUndecided as ProviderUndecided,
    )
    from registry.errors import (
        RegistryError as RegistryError,
    )
    from registry.errors import (
        StoreBusy as StoreBusy,
    )
    from registry.errors import (
        StoreMissing as StoreMissing,
    )
    from registry.errors import (
        StoreUnreadable as StoreUnreadable,
    )
    from registry.errors import (
        Unusable as Unusable,
    )
    from registry.errors import (
        WrongPassphrase as WrongPassphrase,
    )
    from registry.invitation import (
        Invitation as Invitation,
    )
    from registry.providers.interface import (
        Field as Field,
    )
    from registry.providers.interface import (
        Outcome as Outcome,
    )
    from registry.providers.interface import (
        Provider as Provider,
    )
    from registry.providers.interface import (
        TestResult as TestResult,
    )
    from registry.sealing.identity import (
        Identity as Identity,
    )
    from registry.sealing.identity import (
        IdentityFile as IdentityFile,
    )
    from registry.sealing.identity import (
        PublicIdentity as PublicIdentity,
    )
    from registry.sealing.identity import (
        read_identity as read_identity,
    )
    from registry.service.applications import (
        ApplicationView as ApplicationView,
    )
    from registry.service.disclosing import (
        Resolved as Resolved,
    )
    from registry.service.doctor import (
        Diagnosis as Diagnosis,
    )
    from registry.service.doctor import (
        Finding as Finding,
    )
    from registry.service.doctor import (
        Level as Level,
    )
    from registry.service.doctor import (
        diagnose as diagnose,
    )
    from registry.service.history import (
        HistoryQuery as HistoryQuery,
    )
    from registry.service.importing import (
        Action as Action,
    )
    from registry.service.importing import (
        Imported as Imported,
    )
    from registry.service.importing import (
        OnConflict as OnConflict,
    )
    from registry.service.initialising import (
        Initialised as Initialised,
    )
    from registry.service.initialising import (
        init_registry as init_registry,
    )
    from registry.service.joining import (
        Joined as Joined,
    )
    from registry.service.joining import (
        join as join,
    )
    from registry.service.members import (
        Departure as Departure,
    )
    from registry.service.members import (
        KeyView as KeyView,
    )
    from registry.service.members import (
        MemberView as MemberView,
    )
    from registry.service.registry import (
        Registry as Registry,
    )
    from registry.service.registry import (
        open_identity as open_identity,
    )
    from registry.service.registry import (
        open_registry as open_registry,
    )
    from registry.service.registry import (
        read_passphrase as read_passphrase,
    )
    from registry.service.surroundings import (
        Surroundings as Surroundings,
    )
    from registry.service.whoami import (
        Whoami as Whoami,
    )
    from registry.service.wishes import (
        Changed as Changed,
    )
    from registry.service.wishes import (
        NewToken as NewToken,
    )
    from registry.service.wishes import (
        TokenEdit as TokenEdit,
    )
    from registry.settings import (
        Setting as Setting,
    )
    from registry.settings import (
        Settings as Settings,
    )
    from registry.settings import (
        load_settings as load_settings,
    )
    from registry.values import (
        Secret as Secret,
    )
    from registry.values import (
        parse_expiry as parse_expiry,
    )
    from registry.values import (
        parse_moment as parse_moment,
    )
    from registry.values import (
        rfc3339 as rfc3339,
    )
    from registry.views.current import (
        LastTest as LastTest,
    )
    from registry.views.current import (
        TokenView as TokenView,
    )
    from registry.views.history import (
        HistoryEntry as HistoryEntry,
    )

_HOMES = {
    "service.disclosing": ("Resolved",),
    "service.whoami": ("Whoami",),
    "service.joining": ("Joined", "join"),
    "invitation": ("Invitation",),
    "service.members": ("Departure", "KeyView", "MemberView"),
    "_version": ("__version__",),
    "errors": (
        "AlreadyExists",
        "CannotTell",
        "ClockBehind",
        "Conflict",
        "Found",
        "IdentityMissing",
        "IdentityUnreadable",
        "IntegrityError",
        "InvalidValue",
        "NotFound",
        "NotPermitted",
        "ProviderRejected",
        "ProviderUndecided",
        "RegistryError",
        "StoreBusy",
        "StoreMissing",
        "StoreUnreadable",
        "Unusable",
        "WrongPassphrase",
    ),
    "providers.interface": (
        "Field",
        "Outcome",
        "Provider",
        "TestResult",
    ),
    "sealing.identity": (
        "Identity",
        "IdentityFile",
        "PublicIdentity",
        "read_identity",
    ),
    "service.applications": ("ApplicationView",),
    "service.doctor": (
        "Diagnosis",
        "Finding",
        "Level",
        "diagnose",
    ),
    "service.history": ("HistoryQuery",),
    "service.importing": (
        "Action",
        "Imported",
        "OnConflict",
    ),
    "service.initialising": (
        "Initialised",
        "init_registry",
    ),
    "service.registry": (
        "Registry",
        "open_identity",
        "open_registry",
        "read_passphrase",
    ),
    "service.surroundings": ("Surroundings",),
    "service.wishes": (
        "Changed",
        "NewToken",
        "TokenEdit",
    ),
    "settings": (
        "Setting",
        "Settings",
        "load_settings",
    ),
    "values": (
        "Secret",
        "parse_expiry",
        "parse_moment",
        "rfc3339",
    ),
    "views.current": (
        "LastTest",
        "TokenView",
    ),
    "views.history": ("HistoryEntry",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)  # noqa: PLE0605 - pinned, name by name, by a test


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the public name stands for
    """Return a public name from the module where it lives."""
    if name not in _HOME_OF:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
