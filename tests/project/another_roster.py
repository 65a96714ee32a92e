"""Another reader of the roster, written from ``docs/formats.md`` alone: it uses nothing of the library."""

import hashlib
import hmac
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.project.another_sealing import b64, derive, hpke_open, ids, joined, label, open_under, public_of, u32, u64

SCOPES = ("audit", "global", "fingerprint")


def record(state):
    """Return core, sealed and signature of a record."""
    assert state[:1] == b"\x02"
    length = int.from_bytes(state[1:5], "big")
    core, rest = state[5 : 5 + length], state[5 + length :]
    length = int.from_bytes(rest[:4], "big")
    sealed, signature = rest[4 : 4 + length], rest[4 + length :]
    assert len(signature) == 64
    return core, sealed, signature


P = 2**255 - 19
EIGHTH = {
    "signing": (
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ),
    "sealing": (
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    ),
}


def strong(keys):
    """Check that neither key is a weak one."""
    for use, eighth in EIGHTH.items():
        key = b64(keys[use])
        number = int.from_bytes(key, "little") % (2**255 if use == "signing" else 2**256)
        assert len(key) == 32
        assert number < P
        assert number not in {0, 1, P - 1}
        assert number.to_bytes(32, "little").hex() not in eighth


class Roster:
    """Follows the roster, checks every rule of it, and keeps the keys that were granted to one identity."""

    def __init__(self, registry, private):
        self.registry, self.private = registry, private
        self.head, self.version = registry, 0
        self.members, self.former, self.applications = {}, set(), {}
        self.generations, self.keys, self.policies = {}, {}, {}

    def follow(self, version, topic, state):
        """Take the next event."""
        core, sealed, signature = record(state)
        link = hashlib.sha256(joined(label("roster-link"), self.registry, u64(version), topic, core, sealed)).digest()
        says = json.loads(core)
        assert (version, topic == "roster.founded") == (self.version + 1, self.version == 0)
        if topic == "roster.founded":
            self.found(says["statement"])
        assert b64(says["previous"]) == self.head
        author = self.members[says["by"]]
        assert author["role"] == "admin"
        signing = Ed25519PublicKey.from_public_bytes(b64(author["keys"]["signing"]))
        signing.verify(signature, joined(label("roster-signature"), link))
        assert says.get("member") != says["by"]
        self.change(topic, says)
        assert any(member["role"] == "admin" for member in self.members.values())
        for application, sealed_label in says.get("labels", {}).items():
            self.applications[application]["label"] = sealed_label
            assert application in self.applications
        self.make(says.get("generations", []))
        self.give(says.get("grants", []))
        self.head, self.version = link, version

    def found(self, statement):
        """Check the founding statement; its founders are admins."""
        encoded = json.dumps(statement, separators=(",", ":"), ensure_ascii=False).encode()
        assert hashlib.sha256(joined(label("founding-statement"), encoded)).digest() == self.registry
        for one in statement["founders"]:
            strong(one["keys"])
        self.members = {one["member"]: {"role": "admin", "keys": one["keys"]} for one in statement["founders"]}

    def change(self, topic, says):
        """Do to members, applications and policies what the topic says."""
        match topic:
            case "application.registered" | "application.renamed":
                known = self.applications.get(says["application"], {})
                self.applications[says["application"]] = known | {n: says[n] for n in ("kind", "label") if n in says}
            case "application.removed":
                gone = says["application"]
                del self.applications[gone], self.generations[f"application:{gone}"]
                for member in [m for m, known in self.members.items() if known.get("application") == gone]:
                    self.leave(member)
            case "policy.changed":
                self.policies[says["policy"]] = says["value"]
            case "member.admitted":
                assert says["member"] not in self.members | dict.fromkeys(self.former)
                strong(says["keys"])
                self.members[says["member"]] = self.role(says) | {"keys": says["keys"]}
            case "member.role_changed":
                self.members[says["member"]] = self.role(says) | {"keys": self.members[says["member"]]["keys"]}
            case "member.renewed":
                strong(says["keys"])
                self.members[says["member"]]["keys"] = says["keys"]
            case "member.removed":
                self.leave(says["member"])
            case "log.rollback_accepted":
                assert says["kept"]["commit"] < says["lost"]["commit"]
            case "store.moved":
                assert says["instance"] == "" or bytes.fromhex(says["instance"]).hex() == says["instance"]
                assert len(says["instance"]) in {0, 32}
            case _:
                assert topic in {"roster.founded", "audience.rotated", "log.problem_acknowledged"}

    def role(self, says):
        """Return role and application, which belong together."""
        assert says["role"] in {"admin", "auditor", "app"}
        assert (says["role"] == "app") == ("application" in says)
        assert says.get("application", None) in {None, *self.applications}
        return {name: says[name] for name in ("role", "application") if name in says}

    def leave(self, member):
        """Make a member a former one."""
        del self.members[member]
        self.former.add(member)

    def due(self, member):
        """Return the audiences whose keys a member is to hold."""
        match self.members[member]["role"]:
            case "admin":
                return {*SCOPES, *(f"application:{application}" for application in self.applications)}
            case "auditor":
                return {"audit"}
            case _:
                return {"global", f"application:{self.members[member]['application']}"}

    def make(self, generations):
        """Take generations, each its audience's next."""
        for one in generations:
            known = self.generations.setdefault(one["audience"], [])
            assert one["number"] == len(known) + 1
            known.append(one)

    def give(self, grants):
        """Take grants, each its member's due, and open those of this identity."""
        for one in grants:
            assert one["audience"] in self.due(one["member"])
            assert one["number"] == len(self.generations[one["audience"]])
            if b64(self.members[one["member"]]["keys"]["sealing"]) == public_of(self.private):
                parts = (self.registry, one["audience"], u32(one["number"]), ids(one["member"]))
                key = hpke_open(self.private, b64(one["sealed"]), joined(label("audience-grant"), *parts))
                self.keep(self.generations[one["audience"]][-1], key)

    def keep(self, generation, key):
        """Check a key against its generation and keep it; that of ``audit`` brings those before it."""
        audience, number = generation["audience"], generation["number"]
        parts = joined(label("audience-commitment"), self.registry, audience, u32(number))
        assert hmac.digest(key, parts, hashlib.sha256) == b64(generation["commitment"])
        assert (audience == "audit") == ("public" in generation)
        assert (audience == "audit" and number > 1) == ("previous" in generation)
        self.keys[audience, number] = key
        if audience == "audit":
            assert public_of(derive(key, "audience-sealing-key")[:32]) == b64(generation["public"])
        if "previous" in generation:
            place = joined(self.registry, "audit", u32(number))
            names = ("former-audience-key-key", "former-audience-key")
            self.keep(
                self.generations["audit"][number - 2], open_under(key, *names, b64(generation["previous"]), place)
            )
