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
        CannotTell as CannotTell,
        ClockBehind as ClockBehind,
        Conflict as Conflict,
        Found as Found,
        IdentityMissing as IdentityMissing,
        IdentityUnreadable as IdentityUnreadable,
        IntegrityError as IntegrityError,
        InvalidValue as InvalidValue,
        NotFound as NotFound,
        NotPermitted as NotPermitted,
        OutcomeUnknown as OutcomeUnknown,
        ProviderRejected as ProviderRejected,
        ProviderUndecided as ProviderUndecided,
        RegistryError as RegistryError,
        StoreBusy as StoreBusy,
        StoreMissing as StoreMissing,
        StoreMoved as StoreMoved,
        StoreUnreadable as StoreUnreadable,
        Unusable as Unusable,
        WrongPassphrase as WrongPassphrase,
    )
    from registry.evidence.report import (
        EvidenceMember as EvidenceMember,
        EvidenceReport as EvidenceReport,
        KnownCheckpoint as KnownCheckpoint,
        Verdict as Verdict,
    )
    from registry.evidence.verifying import (
        verify_evidence as verify_evidence,
    )
    from registry.exports.formats import (
        ExportFormat as ExportFormat,
    )
    from registry.invitation import (
        Invitation as Invitation,
    )
    from registry.providers.interface import (
        Field as Field,
        Outcome as Outcome,
        Provider as Provider,
        TestResult as TestResult,
    )
    from registry.sealing.identity import (
        Identity as Identity,
        IdentityFile as IdentityFile,
        PublicIdentity as PublicIdentity,
        read_identity as read_identity,
    )
    from registry.service.acknowledging import (
        acknowledge_problem as acknowledge_problem,
    )
    from registry.service.applications import (
        ApplicationView as ApplicationView,
    )
    from registry.service.backing_up import (
        Restored as Restored,
        back_up_store as back_up_store,
        copy_store as copy_store,
        restore_store as restore_store,
    )
    from registry.service.changes import (
        Changes as Changes,
    )
    from registry.service.disclosing import (
        Asked as Asked,
        Resolved as Resolved,
    )
    from registry.service.doctor import (
        Diagnosis as Diagnosis,
        Finding as Finding,
        Level as Level,
        diagnose as diagnose,
    )
    from registry.service.evidence import (
        EvidenceQuery as EvidenceQuery,
        ExportedEvidence as ExportedEvidence,
    )
    from registry.service.history import (
        HistoryQuery as HistoryQuery,
    )
    from registry.service.importing import (
        Action as Action,
        Imported as Imported,
        OnConflict as OnConflict,
    )
    from registry.service.initialising import (
        Initialised as Initialised,
        init_registry as init_registry,
    )
    from registry.service.joining import (
        Joined as Joined,
        join as join,
    )
    from registry.service.log import (
        ConsistencyProof as ConsistencyProof,
        InclusionProof as InclusionProof,
        SignedCheckpoint as SignedCheckpoint,
    )
    from registry.service.members import (
        Departure as Departure,
        KeyView as KeyView,
        MemberView as MemberView,
    )
    from registry.service.pinned import (
        PinView as PinView,
        read_pin as read_pin,
    )
    from registry.service.privileges import (
        store_grants as store_grants,
    )
    from registry.service.registry import (
        Registry as Registry,
        open_identity as open_identity,
        open_registry as open_registry,
        read_passphrase as read_passphrase,
    )
    from registry.service.rollback import (
        RolledBack as RolledBack,
        open_rolled_back as open_rolled_back,
    )
    from registry.service.surroundings import (
        Surroundings as Surroundings,
    )
    from registry.service.token_watch import (
        TokenWatch as TokenWatch,
    )
    from registry.service.transferring import (
        Copied as Copied,
    )
    from registry.service.variables import (
        HandedOut as HandedOut,
        Wanted as Wanted,
    )
    from registry.service.verifying import (
        FoundProblem as FoundProblem,
        Verification as Verification,
        verify_registry as verify_registry,
    )
    from registry.service.whoami import (
        Whoami as Whoami,
    )
    from registry.service.wishes import (
        Changed as Changed,
        NewToken as NewToken,
        TokenEdit as TokenEdit,
    )
    from registry.settings import (
        Setting as Setting,
        Settings as Settings,
        load_settings as load_settings,
    )
    from registry.values import (
        Secret as Secret,
        parse_expiry as parse_expiry,
        parse_moment as parse_moment,
        rfc3339 as rfc3339,
    )
    from registry.views.changes import (
        FieldChange as FieldChange,
    )
    from registry.views.commits import (
        CommitChange as CommitChange,
        TokenChange as TokenChange,
    )
    from registry.views.current import (
        LastTest as LastTest,
        TokenView as TokenView,
    )
    from registry.views.history import (
        HistoryEntry as HistoryEntry,
    )
    from registry.views.usage import (
        Usage as Usage,
    )

_HOMES = {
    "service.backing_up": ("Restored", "back_up_store", "copy_store", "restore_store"),
    "service.changes": ("Changes",),
    "service.disclosing": ("Asked", "Resolved"),
    "service.token_watch": ("TokenWatch",),
    "service.transferring": ("Copied",),
    "service.variables": ("HandedOut", "Wanted"),
    "views.commits": ("CommitChange", "TokenChange"),
    "service.whoami": ("Whoami",),
    "service.joining": ("Joined", "join"),
    "exports.formats": ("ExportFormat",),
    "invitation": ("Invitation",),
    "service.members": ("Departure", "KeyView", "MemberView"),
    "service.log": ("ConsistencyProof", "InclusionProof", "SignedCheckpoint"),
    "service.pinned": ("PinView", "read_pin"),
    "service.rollback": ("RolledBack", "open_rolled_back"),
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
        "OutcomeUnknown",
        "ProviderRejected",
        "ProviderUndecided",
        "RegistryError",
        "StoreBusy",
        "StoreMissing",
        "StoreMoved",
        "StoreUnreadable",
        "Unusable",
        "WrongPassphrase",
    ),
    "evidence.report": (
        "EvidenceMember",
        "EvidenceReport",
        "KnownCheckpoint",
        "Verdict",
    ),
    "evidence.verifying": ("verify_evidence",),
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
    "service.acknowledging": ("acknowledge_problem",),
    "service.applications": ("ApplicationView",),
    "service.doctor": (
        "Diagnosis",
        "Finding",
        "Level",
        "diagnose",
    ),
    "service.evidence": ("EvidenceQuery", "ExportedEvidence"),
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
    "service.privileges": ("store_grants",),
    "service.registry": (
        "Registry",
        "open_identity",
        "open_registry",
        "read_passphrase",
    ),
    "service.surroundings": ("Surroundings",),
    "service.verifying": ("FoundProblem", "Verification", "verify_registry"),
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
    "views.changes": ("FieldChange",),
    "views.history": ("HistoryEntry",),
    "views.usage": ("Usage",),
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
