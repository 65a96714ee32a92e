"""Another verifier of the log, written from ``docs/formats.md`` alone: it uses nothing of the library."""

import base64
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.project.another_roster import Roster
from tests.project.another_sealing import b64, joined, label, u32, u64

ROSTER = ("roster.", "application.", "policy.", "member.", "audience.", "log.")
OWN = {"auditor": "evidence.exported", "app": "token.disclosed"}


def sha256(data):
    """Return the hash of bytes."""
    return hashlib.sha256(data).digest()


def root(leaves):
    """Return the root of the tree over leaf hashes, as RFC 6962 defines it."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"")
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + root(leaves[:half]) + root(leaves[half:]))


def number(level, index):
    """Return the number of a complete subtree."""
    last = (index + 1 << level) - 1
    return level + sum(last >> halved for halved in range(last.bit_length() + 1))


def subtrees(leaves):
    """Return the complete subtrees of a tree by their numbers."""
    found, level = {}, 0
    while 1 << level <= len(leaves):
        for index in range(len(leaves) >> level):
            found[number(level, index)] = root(leaves[index << level : index + 1 << level])
        level += 1
    return found


class Log:
    """Follows the log from the founding, and checks every rule of each commit."""

    def __init__(self, reader, private):
        self.reader, self.registry = reader, reader.registry
        self.roster = Roster(self.registry, private)
        self.leaves, self.notes, self.before = [], [], None
        for row in reader.rows("SELECT * FROM commits ORDER BY number"):
            self.take(*row)
        ((events,),) = reader.rows("SELECT COUNT(*) FROM stored_events")
        assert events == len(self.leaves)

    def take(self, made, author, at, size, tree, present, length, head, shredded, signature):
        """Take the next commit."""
        start = len(self.leaves)
        last, present_before, shredded_before, at_before = self.before or (-1, empty(), 0, "")
        assert (made, size > start) == (last + 1, True)
        events = self.reader.rows(
            "SELECT position, originator_id, originator_version, topic, state, commit_number FROM stored_events"
            " WHERE position >= ? AND position < ? ORDER BY position",
            start,
            size,
        )
        assert [event[0] for event in events] == list(range(start, size))
        assert {event[5] for event in events} == {made}
        assert all(len(event[4]) <= 2**24 for event in events)
        self.leaves += [self.leaf(made, author, at, *event[:5]) for event in events]
        assert root(self.leaves) == tree
        assert at >= at_before
        assert shredded_before <= shredded <= made + 1
        members = dict(self.roster.members)
        self.follow(events)
        assert (self.roster.version, self.roster.head) == (length, head)
        member = (members or self.roster.members)[author]
        text = self.text(size, tree, made, present, length, head, shredded)
        self.sign(member, author, text, signature)
        self.allow(member, author, events, present == present_before)
        self.before = made, present, shredded, at

    def leaf(self, made, author, at, position, originator, version, topic, state):
        """Return the hash of an event's leaf."""
        parts = (self.registry, u64(position), u64(made), author, at, originator, u64(version), topic, sha256(state))
        return sha256(b"\x00" + joined(label("log-leaf"), *parts))

    def follow(self, events):
        """Take the event of the roster among a commit's events, at most one."""
        stream = self.registry[:16].hex()
        own = [event for event in events if event[1] == stream]
        assert own == [event for event in events if event[3].startswith(ROSTER)]
        assert len(own) < 2
        for _, _, version, topic, state, _ in own:
            self.roster.follow(version, topic, state)

    def text(self, size, tree, made, present, length, head, shredded):
        """Return what the author signed."""
        written = [base64.b64encode(hashed).decode() for hashed in (tree, present, head)]
        lines = [f"token-registry/{self.registry.hex()}", size, written[0], f"commit {made}", f"present {written[1]}"]
        lines += [f"roster-length {length}", f"roster-head {written[2]}", f"shredded {shredded}"]
        return "".join(f"{line}\n" for line in lines)

    def sign(self, member, author, text, signature):
        """Check the author's signature, and keep the checkpoint as a note."""
        public = b64(member["keys"]["signing"])
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text.encode())
        name = f"token-registry/{self.registry.hex()}/{author}"
        key_id = sha256(name.encode() + b"\n\x01" + public)[:4]
        self.notes.append(f"{text}\n\N{EM DASH} {name} {base64.b64encode(key_id + signature).decode()}\n")

    def allow(self, member, author, events, unchanged):
        """Check that the author's role allowed it all."""
        if member["role"] != "admin":
            assert unchanged
            assert {(event[1], event[3]) for event in events} == {(author, OWN[member["role"]])}


def empty():
    """Return the root of the map without rows."""
    return hashed_unit(0, bytes(2))


def hashed_unit(unit, data):
    """Return the hash of a unit of the present."""
    return sha256(joined(label("present-bucket" if unit >= 273 else "present-node")) + u32(unit) + data)


def digest(registry, row):
    """Return the digest of a current row with its wrapped key."""
    token, application, tag, version, revision, box_revision, position, card, box, plain, prints, wrapped = row
    optional = [b"" if one is None else b"\x01" + one for one in (application and application.encode(), plain, wrapped)]
    numbers = map(u64, (version, revision, box_revision, position))
    parts = (token, optional[0], tag, *numbers, card, box, optional[1], prints, optional[2])
    return sha256(joined(label("present-row"), registry, *parts))


def bucket_of(tag):
    """Return which unit a tag's bucket is."""
    return 273 + (int.from_bytes(sha256(joined(label("present-place")) + tag)[:2], "big") >> 4)


def present_of(digests):
    """Return root and units of the map that holds digests by their tags."""
    units = {}
    for tag in sorted(digests):
        units[bucket_of(tag)] = units.get(bucket_of(tag), b"") + tag + digests[tag]
    below = dict(units)
    while below and 0 not in below:
        above = {}
        for unit, data in sorted(below.items()):
            parent, child = divmod(unit - 1, 16)
            bitmap, hashes = above.get(parent, (0, b""))
            above[parent] = bitmap | 1 << child, hashes + hashed_unit(unit, data)
        below = {unit: bitmap.to_bytes(2, "big") + hashes for unit, (bitmap, hashes) in above.items()}
        units |= below
    return (hashed_unit(0, units[0]) if units else empty()), units


def looked_up(top, units, tag):
    """Return the digest that the map holds under a tag, checking each unit on the way; ``None`` for none."""
    place, unit, expected = bucket_of(tag) - 273, 0, top
    if top == empty():
        return None
    for shift in (8, 4, 0):
        data = units[unit]
        assert hashed_unit(unit, data) == expected
        bitmap, child = int.from_bytes(data[:2], "big"), place >> shift & 15
        if not bitmap >> child & 1:
            return None
        at = 2 + 32 * (bitmap & (1 << child) - 1).bit_count()
        unit, expected = 16 * unit + 1 + child, data[at : at + 32]
    data = units[unit]
    assert hashed_unit(unit, data) == expected
    return {data[at : at + 32]: data[at + 32 : at + 64] for at in range(0, len(data), 64)}.get(tag)
