"""What the golden samples hold: fixed keys, and one event of every kind with every field set."""

from datetime import UTC, datetime
from typing import Any

from registry.domain.events import Event
from registry.domain.evidence_events import EvidenceExported
from registry.domain.roster import Generation, Grant, LogPoint
from registry.domain.roster_events import (
    ApplicationRegistered,
    ApplicationRemoved,
    ApplicationRenamed,
    AudienceRotated,
    Founder,
    FoundingStatement,
    MemberAdmitted,
    MemberRemoved,
    MemberRenewed,
    MemberRoleChanged,
    PolicyChanged,
    ProblemAcknowledged,
    RollbackAccepted,
    RosterFounded,
    StoreMoved,
)
from registry.domain.token_events import (
    SealedCredentials,
    TokenCreated,
    TokenCredentialsChanged,
    TokenDeleted,
    TokenDescribed,
    TokenDisclosed,
    TokenEncryptionChanged,
    TokenExpirySet,
    TokenProviderChanged,
    TokenRenamed,
    TokenTested,
)
from registry.invitation import Invitation, checkpoint_hash
from registry.log import problems
from registry.log.checkpoint import Checkpoint
from registry.log.leaf import Leaf, state_hash
from registry.sealing import aead, grants, labels
from registry.sealing.credentials import BoxPlace, Credentials
from registry.sealing.envelope import Place
from registry.sealing.grants import AudienceKey
from registry.sealing.identity import Identity
from registry.values import ApplicationId, MemberId, Secret, TokenId, rfc3339

REGISTRY = bytes(range(32))
KEY, NEWER_KEY, DATA_KEY = bytes(range(32, 64)), bytes(range(64, 96)), bytes(range(96, 128))
TOKEN, APPLICATION, MEMBER = TokenId("11" * 16), ApplicationId("cc" * 16), MemberId("aa" * 16)
PLACE = Place(REGISTRY, TOKEN, 3, "token.described")
BOX_PLACE = BoxPlace(REGISTRY, TOKEN, 2)
CREDENTIALS = Credentials("zoom", {"api_key": Secret("KEY"), "api_secret": Secret("SÉCRET")})
ALICE = Identity("alice", bytes(range(128, 160)), bytes(range(160, 192)))
PASSPHRASE = Secret("correct horse battery staple")
AT = datetime(2027, 1, 31, 12, 0, 0, 250, tzinfo=UTC)
EXPIRY = datetime(2027, 12, 31, 23, 59, 59, tzinfo=UTC)
STATEMENT = FoundingStatement(1, REGISTRY, AT, (Founder(MEMBER, ALICE.public.keys),))
LEAF = Leaf(REGISTRY, 6, 4, MEMBER, rfc3339(AT), TOKEN, 2, "token.described", state_hash(b"state"))
ROW: dict[str, Any] = {
    "registry": REGISTRY,
    "token": TOKEN,
    "application": APPLICATION,
    "name_tag": KEY,
    "version": 5,
    "revision": 4,
    "box_revision": 3,
    "position": 9,
    "card": b"card",
    "box": b"box",
    "plain": b"plain",
    "fingerprints": bytes(16) + b"\xff" * 16,
    "wrapped": b"wrapped",
}
CHECKPOINT = Checkpoint(
    registry=REGISTRY,
    size=1_000,
    root=NEWER_KEY,
    commit=123,
    present=DATA_KEY,
    roster_length=7,
    roster_head=KEY,
    shredded=120,
)
INVITATION = Invitation(
    REGISTRY, CHECKPOINT.size, checkpoint_hash(CHECKPOINT.text()), CHECKPOINT.roster_length, CHECKPOINT.roster_head
)
NODES = [(0, 0), (0, 1), (1, 0), (0, 2), (0, 3), (1, 1), (2, 0), (0, 4), (8, 3), (0, 1_000_000), (20, 1_000_000)]

_FACTS: dict[str, Any] = {"originator_id": TOKEN, "originator_version": 1, "by": MEMBER, "at": AT}
_FACTS |= {"host": "desk", "client": "token-registry/0.1.0"}
_TOKEN = _FACTS | {"reason": "why not — «ü»", "revision": 2}
_SEALED = SealedCredentials(
    public={"api_url": "https://api.zoom.example/v2"},
    secret=("api_key", "api_secret"),
    verdicts={"api_key": "same", "api_secret": "used before"},
    fingerprints={"api_key": "00" * 16, "api_secret": "ff" * 16},
    box=b"\x01box",
)
_LEAST = SealedCredentials(public={}, secret=(), box=b"\x01")
_ROSTER = _FACTS | {"reason": "because", "previous": REGISTRY, "changed": ("name",)}
_KEYS: dict[str, Any] = {
    "generations": (Generation("audit", 2, KEY, DATA_KEY, b"previous"), Generation("global", 1, KEY)),
    "grants": (Grant("global", 1, MEMBER, b"sealed"),),
}
_ROTATED = _KEYS | {"labels": {APPLICATION: b"label"}}
_EXPOSED = {TOKEN: 2, "22" * 16: 11}

EVENTS: dict[str, Event] = {
    "token.created": TokenCreated(
        **_TOKEN,
        changed=("api_key", "api_secret", "api_url"),
        name="Zoom Zürich",
        application=APPLICATION,
        description="one\ntwo",
        provider="zoom",
        encrypted=False,
        expires_at=EXPIRY,
        credentials=_SEALED,
    ),
    "token.created.least": TokenCreated(**_FACTS, revision=1, name="a", provider="zoom", credentials=_LEAST),
    "token.credentials_changed": TokenCredentialsChanged(**_TOKEN, changed=("api_secret",), credentials=_SEALED),
    "token.provider_changed": TokenProviderChanged(**_TOKEN, changed=("provider",), provider="zoom-oauth"),
    "token.described": TokenDescribed(**_TOKEN, changed=("description",), description='"quoted" \\ \t\n/ 😀'),
    "token.renamed": TokenRenamed(**_TOKEN, changed=("name",), name="Zoom 2"),
    "token.encryption_changed": TokenEncryptionChanged(**_TOKEN, changed=("encrypted",), encrypted=True),
    "token.expiry_set": TokenExpirySet(**_TOKEN, changed=("expires_at",), expires_at=EXPIRY),
    "token.expiry_set.never": TokenExpirySet(**_TOKEN, changed=("expires_at",)),
    "token.tested": TokenTested(**_TOKEN, outcome="accepted_missing_scope", detail="user:read"),
    "token.deleted": TokenDeleted(**_TOKEN),
    "token.disclosed": TokenDisclosed(
        **_FACTS,
        changed=("api_secret",),
        token=TOKEN,
        revision=2,
        purpose="resolve",
        application=APPLICATION,
        process="payroll run",
    ),
    "roster.founded": RosterFounded(**_ROSTER, **_KEYS, statement=STATEMENT, names={MEMBER: "alice"}),
    "application.registered": ApplicationRegistered(
        **_ROSTER, **_KEYS, application=APPLICATION, kind="process", label=b"label", name="Payroll"
    ),
    "application.renamed": ApplicationRenamed(**_ROSTER, application=APPLICATION, label=b"label", name="Löhne"),
    "application.removed": ApplicationRemoved(
        **_ROSTER, **_ROTATED, application=APPLICATION, name="Löhne", exposed=_EXPOSED
    ),
    "application.removed.least": ApplicationRemoved(**_ROSTER, application=APPLICATION, name="Löhne"),
    "policy.changed": PolicyChanged(**_ROSTER, policy="allow-plaintext", value="yes"),
    "member.admitted": MemberAdmitted(
        **_ROSTER, **_KEYS, member=MEMBER, role="app", application=APPLICATION, keys=ALICE.public.keys, name="alice"
    ),
    "member.role_changed": MemberRoleChanged(
        **_ROSTER, **_ROTATED, member=MEMBER, role="app", application=APPLICATION, name="alice", exposed=_EXPOSED
    ),
    "member.role_changed.least": MemberRoleChanged(**_ROSTER, member=MEMBER, role="admin", name="alice"),
    "member.renewed": MemberRenewed(**_ROSTER, **_ROTATED, member=MEMBER, keys=ALICE.public.keys, name="alice"),
    "member.removed": MemberRemoved(**_ROSTER, **_ROTATED, member=MEMBER, name="alice", exposed=_EXPOSED),
    "audience.rotated": AudienceRotated(**_ROSTER, **_ROTATED),
    "log.problem_acknowledged": ProblemAcknowledged(**_ROSTER, position=17, kind=problems.ROLE),
    "log.rollback_accepted": RollbackAccepted(**_ROSTER, kept=LogPoint(40, 61, KEY), lost=LogPoint(43, 65, NEWER_KEY)),
    "store.moved": StoreMoved(**_ROSTER, instance="5a" * 16, place="postgresql://db:5432/tokens?schema=token_registry"),
    "evidence.exported": EvidenceExported(
        **_FACTS,
        reason="for the examiner",
        size=1_000,
        openings=12,
        tokens=(TOKEN, TokenId("22" * 16)),
        since=AT,
        until=EXPIRY,
    ),
    "evidence.exported.least": EvidenceExported(**_FACTS, size=1, openings=0),
}


def handed_on(former: AudienceKey, newer: AudienceKey) -> bytes:
    """Return the former audit key as the newer generation hands it on; keys are fixed here, in use they are not."""
    place = grants._former_place(REGISTRY, newer.number)
    return aead.seal_under(newer.key, labels.FORMER_KEY_KEY, labels.FORMER_KEY, former.key, place)
