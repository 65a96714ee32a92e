"""The doctor: what is wrong or risky on this machine, and the settings in force."""

import enum
import stat
from datetime import timedelta
from pathlib import Path

from msgspec import Struct

from registry.domain.roster import ADMIN, APP
from registry.errors import RegistryError
from registry.sealing.identity import IdentityFile, read_identity
from registry.service.places import place_of
from registry.service.registry import PassphrasePrompt, Registry, open_registry
from registry.service.surroundings import Surroundings
from registry.settings import Setting, Settings

_SKEW = timedelta(minutes=1)
_LARGEST_IDENTITY = 65_536


class Level(enum.StrEnum):
    """How bad a finding is."""

    OK = "ok"
    RISK = "risk"
    WRONG = "wrong"


class Finding(Struct, frozen=True):
    """One thing the doctor looked at."""

    level: Level
    message: str
    hint: str | None = None


class Diagnosis(Struct, frozen=True):
    """What the doctor found, and the settings with where each comes from."""

    findings: tuple[Finding, ...]
    settings: dict[str, Setting]
    error: RegistryError | None
    """Why the registry cannot be opened, if it cannot."""


def diagnose(
    settings: Settings, passphrase: PassphrasePrompt | None = None, surroundings: Surroundings | None = None
) -> Diagnosis:
    """Look at this machine. It changes nothing and raises nothing for what is wrong: that is what it reports."""
    around = surroundings or Surroundings()
    findings: list[Finding] = []
    error: RegistryError | None = None
    try:
        findings += _places(settings)
        findings += _identity(settings)
        with open_registry(settings, passphrase=passphrase, surroundings=around) as registry:
            findings.append(Finding(Level.OK, f"the registry {registry.registry_id} opens"))
            findings += _registry(registry, around)
            findings += _member(registry, settings)
            registry._ledger.check_home()  # noqa: SLF001 - the doctor looks inside
    except RegistryError as caught:
        error = caught
        findings.append(Finding(Level.WRONG, str(caught), caught.hint))
    return Diagnosis(tuple(findings), settings.effective(), error)


def _places(settings: Settings) -> list[Finding]:
    store, state = place_of(settings).files, Path(settings.state.value)
    identity = Path(settings.identity.value)
    findings = []
    if store is not None and identity.parent == store.parent and store.parent in (state, state.parent):
        findings.append(
            Finding(
                Level.RISK,
                f"identity, store and local state lie together in {store.parent}",
                "who can exchange the folder can exchange what this machine knows; keep them apart",
            )
        )
    folders = {("folder", file.parent) for file in (identity, store) if file is not None}
    files = [("store", store)] if store is not None else []
    for what, path in [*files, ("state", state), *sorted(folders)]:
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o002:
            findings.append(Finding(Level.RISK, f"other users may write the {what} {path}", f"chmod o-w {path}"))
    if store is not None and store.parent.exists():
        left = sorted(store.parent.glob(f"{store.name}.*.new"))
        findings += [Finding(Level.RISK, f"a command was interrupted and left {path}", f"rm {path}*") for path in left]
    return findings


def _identity(settings: Settings) -> list[Finding]:
    file = read_identity(Path(settings.identity.value))
    if file.locked:
        return [Finding(Level.OK, f"the identity {file.path} is private and under a passphrase")]
    return [
        Finding(
            Level.RISK,
            f"the identity {file.path} is private but under no passphrase",
            "'identity passphrase' sets one",
        )
    ]


def _member(registry: Registry, settings: Settings) -> list[Finding]:
    own = registry.whoami()
    role = f"{own.role} of {own.application}" if own.application else own.role
    findings = [Finding(Level.OK, f"{own.member} is its member, {role}")]
    keys = {member.keys: member for member in registry._ledger.roster.members.values()}  # noqa: SLF001 - as below
    for file in _other_identities(settings):
        member = keys.get(file.public.keys)
        if member is not None and member.role == ADMIN:
            findings.append(
                Finding(
                    Level.RISK,
                    f"the identity of another admin lies on this machine: {file.path}",
                    "a recovery identity is kept offline; move it away, and every copy of it",
                )
            )
    exposed = sum(1 for _ in registry.tokens.list(exposed=True)) if own.role != APP else 0
    if exposed:
        findings.append(
            Finding(
                Level.RISK,
                f"members that left could have opened present credentials, of tokens: {exposed}",
                "'list --exposed' shows them; change them at the provider, then with 'edit'",
            )
        )
    return findings


def _other_identities(settings: Settings) -> list[IdentityFile]:
    """Return the identities that lie beside this machine's own, or beside its store or its configuration."""
    own, config, store = Path(settings.identity.value), Path(settings.config.value), place_of(settings).files
    # To open and close a file of the store would let go of the locks that a connection of this process holds on it.
    skipped = (
        {store.with_name(f"{store.name}{suffix}") for suffix in ("", "-wal", "-shm")} if store is not None else set()
    )
    folders = dict.fromkeys(path.parent for path in (own, config, store) if path is not None)
    found = []
    for path in sorted(path for folder in folders for path in folder.glob("*") if path not in skipped):
        try:
            if path.is_file() and path.stat().st_size <= _LARGEST_IDENTITY and not path.samefile(own):
                file = read_identity(path)
                _ = file.public
                found.append(file)
        except (RegistryError, OSError):
            continue  # it is no identity, or one that nobody can use as it is
    return found


def _registry(registry: Registry, around: Surroundings) -> list[Finding]:
    ledger = registry._ledger  # noqa: SLF001 - the doctor looks inside
    findings = []
    if len(ledger.roster.admins()) == 1:
        findings.append(
            Finding(
                Level.RISK,
                "the registry has a single admin",
                "if that identity is lost, so are the credentials; keep a copy of it, or admit a second admin",
            )
        )
    if reason := ledger.store.unanswered():
        findings.append(
            Finding(Level.RISK, f"the replica does not answer: {reason}", "the primary does, for all reads")
        )
    if ledger.store.shred_pending():
        findings.append(
            Finding(
                Level.RISK,
                "shredding is pending: overwritten keys are still in the files of the store",
                "end long-running readers of the store, then run any command as an admin",
            )
        )
    head, now = ledger.head, around.clock()
    if head.at > now + _SKEW:
        findings.append(
            Finding(Level.RISK, f"the history's last commit is of {head.at - now} from now", "set the clock")
        )
    else:
        findings.append(Finding(Level.OK, "the clock agrees with the history"))
    return findings
