"""One sealed thing of each format, how it is opened, and every wrong way of opening it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from registry.domain.roster import AUDIT, GLOBAL, Generation, Member, MemberKeys
from registry.sealing import application_label, credentials, envelope, grants, hpke, roster_record
from registry.sealing.credentials import BoxPlace, Credentials
from registry.sealing.envelope import Place
from registry.sealing.grants import AudienceKey
from registry.sealing.identity import Identity
from registry.sealing.roster_record import RosterRecord
from registry.values import ApplicationId, MemberId, Secret, TokenId

REGISTRY, OTHER_REGISTRY = b"R" * 32, b"r" * 32
KEY, OTHER_KEY = b"K" * 32, b"k" * 32
PRIVATE, OTHER_PRIVATE = b"P" * 32, b"p" * 32
TOKEN, OTHER_TOKEN = TokenId("1" * 32), TokenId("2" * 32)
APPLICATION, OTHER_APPLICATION = ApplicationId("c" * 32), ApplicationId("d" * 32)
MEMBER, OTHER_MEMBER = MemberId("a" * 32), MemberId("b" * 32)
ALICE = Identity("alice", b"S" * 32, PRIVATE)
BOB = Identity("bob", b"s" * 32, OTHER_PRIVATE)
CREDENTIALS = Credentials("zoom", {"api_key": Secret("KEY"), "api_secret": Secret("SECRET")})

PLACE = Place(REGISTRY, TOKEN, 3, "token.described")
ELSEWHERE = {
    "other registry": Place(OTHER_REGISTRY, TOKEN, 3, "token.described"),
    "other stream": Place(REGISTRY, OTHER_TOKEN, 3, "token.described"),
    "other version": Place(REGISTRY, TOKEN, 4, "token.described"),
    "other topic": Place(REGISTRY, TOKEN, 3, "token.renamed"),
}
BOX_PLACE = BoxPlace(REGISTRY, TOKEN, 2)
BOX_ELSEWHERE = {
    "other registry": BoxPlace(OTHER_REGISTRY, TOKEN, 2),
    "other token": BoxPlace(REGISTRY, OTHER_TOKEN, 2),
    "other revision": BoxPlace(REGISTRY, TOKEN, 1),
}


@dataclass(frozen=True)
class Specimen:
    """A sealed thing; ``open`` opens it, each of ``wrong`` opens it with something that is not its own."""

    sealed: bytes
    opened: object
    open: Callable[[bytes], object]
    wrong: Mapping[str, Callable[[bytes], object]]


def envelope_v1() -> Specimen:
    """Return an event's contents, sealed by a holder of the audit key."""
    return _envelope(envelope.seal(KEY, 1, PLACE, b"contents"))


def envelope_v2() -> Specimen:
    """Return an event's contents, sealed to the audit key's public half."""
    public = hpke.public_of(envelope.sealing_key(KEY))
    return _envelope(envelope.seal_addressed(public, 1, PLACE, b"contents"))


def _envelope(sealed: bytes) -> Specimen:
    wrong: dict[str, Callable[[bytes], object]] = {
        name: lambda data, place=place: envelope.unseal(KEY, place, data) for name, place in ELSEWHERE.items()
    }
    wrong["other key"] = lambda data: envelope.unseal(OTHER_KEY, PLACE, data)
    wrong["key of another opening"] = lambda data: envelope.open_with(OTHER_KEY, PLACE, data)
    return Specimen(sealed, b"contents", lambda data: envelope.unseal(KEY, PLACE, data), wrong)


def box() -> Specimen:
    """Return a token's credentials under their data key."""
    wrong = {
        name: lambda data, place=place: credentials.open_box(KEY, place, data) for name, place in BOX_ELSEWHERE.items()
    }
    wrong["old data key"] = lambda data: credentials.open_box(OTHER_KEY, BOX_PLACE, data)
    sealed = credentials.seal_box(KEY, BOX_PLACE, CREDENTIALS)
    return Specimen(sealed, CREDENTIALS, lambda data: credentials.open_box(KEY, BOX_PLACE, data), wrong)


def wrapped() -> Specimen:
    """Return a data key, wrapped under an audience."""
    wrong = {
        name: lambda data, place=place: credentials.unwrap(KEY, GLOBAL, place, data)
        for name, place in BOX_ELSEWHERE.items()
    }
    wrong["other key"] = lambda data: credentials.unwrap(OTHER_KEY, GLOBAL, BOX_PLACE, data)
    wrong["other audience"] = lambda data: credentials.unwrap(KEY, AUDIT, BOX_PLACE, data)
    sealed = credentials.wrap(KEY, GLOBAL, 1, BOX_PLACE, b"D" * 32)
    return Specimen(sealed, b"D" * 32, lambda data: credentials.unwrap(KEY, GLOBAL, BOX_PLACE, data), wrong)


def label() -> Specimen:
    """Return an application's name under its own audience."""
    key = AudienceKey(f"application:{APPLICATION}", 1, KEY)
    other = AudienceKey(f"application:{APPLICATION}", 1, OTHER_KEY)
    return Specimen(
        application_label.seal(REGISTRY, APPLICATION, key, "Payroll"),
        "Payroll",
        lambda data: application_label.unseal(REGISTRY, APPLICATION, key, data),
        {
            "other registry": lambda data: application_label.unseal(OTHER_REGISTRY, APPLICATION, key, data),
            "other application": lambda data: application_label.unseal(REGISTRY, OTHER_APPLICATION, key, data),
            "other key": lambda data: application_label.unseal(REGISTRY, APPLICATION, other, data),
        },
    )


def former_key() -> Specimen:
    """Return the former ``audit`` key, sealed under the newer one."""
    first = grants.new_generation(REGISTRY, AUDIT)[1]
    second, key = grants.new_generation(REGISTRY, AUDIT, first)

    def generation(data: bytes, number: int = 2) -> Generation:
        return Generation(AUDIT, number, second.commitment, second.public, data)

    return Specimen(
        second.previous or b"",
        first,
        lambda data: grants.former_key(REGISTRY, generation(data), key),
        {
            "other registry": lambda data: grants.former_key(OTHER_REGISTRY, generation(data), key),
            "other generation": lambda data: grants.former_key(REGISTRY, generation(data, 3), key),
            "other key": lambda data: grants.former_key(REGISTRY, generation(data), first),
        },
    )


def grant() -> Specimen:
    """Return an audience's key, sealed to alice."""
    made, key = grants.new_generation(REGISTRY, GLOBAL)
    alice = Member(MEMBER, "admin", ALICE.public.keys)
    sealed = grants.grant(REGISTRY, key, alice).sealed

    def opening(
        data: bytes,
        private: bytes = PRIVATE,
        registry: bytes = REGISTRY,
        audience: str = GLOBAL,
        number: int = 1,
        member: MemberId = MEMBER,
    ) -> AudienceKey:
        given = grants.Grant(audience, number, member, data)
        return grants.open_grant(registry, private, given, made)

    return Specimen(
        sealed,
        key,
        opening,
        {
            "other registry": lambda data: opening(data, registry=OTHER_REGISTRY),
            "other audience": lambda data: opening(data, audience=AUDIT),
            "other generation": lambda data: opening(data, number=2),
            "other member": lambda data: opening(data, member=OTHER_MEMBER),
            "other private key": lambda data: opening(data, private=OTHER_PRIVATE),
        },
    )


def record() -> Specimen:
    """Return a roster event as it is stored, signed by alice."""
    core, sealed = b'{"by":"alice"}', b"sealed contents"
    linked = roster_record.link(REGISTRY, 1, "policy.changed", core, sealed)
    state = RosterRecord(core, sealed, roster_record.sign(ALICE, linked)).encoded()

    def checked(
        data: bytes,
        keys: MemberKeys = ALICE.public.keys,
        registry: bytes = REGISTRY,
        version: int = 1,
        topic: str = "policy.changed",
    ) -> tuple[bytes, bytes]:
        parsed = RosterRecord.parse(data)
        hashed = roster_record.link(registry, version, topic, parsed.core, parsed.sealed)
        roster_record.check_signature(keys.signing, hashed, parsed.signature)
        return parsed.core, parsed.sealed

    return Specimen(
        state,
        (core, sealed),
        checked,
        {
            "other registry": lambda data: checked(data, registry=OTHER_REGISTRY),
            "other version": lambda data: checked(data, version=2),
            "other topic": lambda data: checked(data, topic="roster.founded"),
            "other author": lambda data: checked(data, keys=BOB.public.keys),
            "key of the wrong kind": lambda data: checked(data, keys=MemberKeys(bytes(31), bytes(32))),
        },
    )


SPECIMENS: Mapping[str, Specimen] = {
    make.__name__: make() for make in (envelope_v1, envelope_v2, box, wrapped, label, former_key, grant, record)
}
