"""Another verifier of evidence, written from ``docs/evidence.md`` and ``docs/formats.md``, with nothing of the library.

It shows that single events were committed. It keeps the pages honest: whoever changes the folder changes the page, and
then this.
"""

import hashlib
import json
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.project.another_sealing import b64, ids, joined, label, open_once, u64


def numbered(folder, number, count):
    """Return the path of the file of that number, where ``count`` things are divided into files of 256."""
    digits = f"{number:03}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[start : start + 3] for start in range(0, len(digits), 3)]
    path = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    held = min(256, count - number * 256)
    return f"{folder}/{path}" + ("" if held == 256 else f".p/{held}")


def sha256(data):
    """Return the hash."""
    return hashlib.sha256(data).digest()


class Evidence:
    """A folder of evidence, of which single events can be shown."""

    def __init__(self, folder):
        self.folder = folder
        self.manifest = json.loads(self.file("manifest.json"))
        assert (self.manifest["format"], self.manifest["version"]) == ("token-registry evidence", 1)
        self.registry = ids(self.manifest["registry"])
        self.text, self.size, self.root, self.lines, self.author, self.signature = self.checkpoint()
        assert self.size == self.manifest["size"]
        self.keys, self.heads = {}, []
        self.follow_roster()

    def file(self, path):
        """Return a file's bytes."""
        return (self.folder / path).read_bytes()

    def framed(self, kind, index, count):
        """Return one thing of those that stand behind their lengths."""
        data = self.file(numbered(kind, index // 256, count))
        line, data = data[: data.index(b"\n") + 1], data[data.index(b"\n") + 1 :]
        assert line == f"token-registry/evidence/v1/{kind}\n".encode()
        for _ in range(index % 256):
            data = data[4 + int.from_bytes(data[:4], "big") :]
        return data[4 : 4 + int.from_bytes(data[:4], "big")]

    def records(self, kind, length):
        """Return the records of a fixed length."""
        head = f"token-registry/evidence/v1/{kind}\n".encode()
        data = self.file(kind)
        assert data.startswith(head)
        data = data[len(head) :]
        assert len(data) % length == 0
        return [data[start : start + length] for start in range(0, len(data), length)]

    def checkpoint(self):
        """Return what the checkpoint says, who signed it, and how."""
        text, _, line = self.file("checkpoint").decode().partition("\n\n")
        origin, size, root, *more = text.split("\n")
        assert origin == f"token-registry/{self.registry.hex()}"
        dash, name, encoded = line.rstrip("\n").split(" ")
        assert dash == "—"
        said = dict(part.split(" ") for part in more)
        assert list(said) == ["commit", "present", "roster-length", "roster-head", "shredded"]
        return f"{text}\n", int(size), b64(root), said, name, b64(encoded)

    def entry(self, position):
        """Return an entry's bytes."""
        data = self.file(numbered("tile/entries", position // 256, self.size))
        for _ in range(position % 256):
            data = data[2 + int.from_bytes(data[:2], "big") :]
        return data[2 : 2 + int.from_bytes(data[:2], "big")]

    def parts(self, position):
        """Return the parts of an entry."""
        data, found = self.entry(position), []
        while data:
            length = int.from_bytes(data[:4], "big")
            found.append(data[4 : 4 + length])
            data = data[4 + length :]
        assert found[0] == label("log-leaf")
        assert found[1] == self.registry
        assert found[2] == u64(position)
        return found

    def state(self, position):
        """Return an event's sealed state, which its entry names."""
        state = self.framed("states", position, self.size)
        assert sha256(state) == self.parts(position)[9]
        return state

    def node(self, level, index):
        """Return the node over the entries from ``index << level`` on, as many as ``1 << level`` or as there are."""
        tile_level, above = divmod(level, 8)
        if above == 0 and (index + 1) << level <= self.size:
            data = self.file(numbered(f"tile/{tile_level}", index // 256, self.size >> 8 * tile_level))
            return data[index % 256 * 32 : index % 256 * 32 + 32]
        left = self.node(level - 1, 2 * index)
        if (2 * index + 1) << (level - 1) >= self.size:
            return left
        return sha256(b"\x01" + left + self.node(level - 1, 2 * index + 1))

    def check_included(self, position):
        """Lead an entry's hash to the root of the checkpoint."""
        hashed, index, level = sha256(b"\x00" + self.entry(position)), position, 0
        while 1 << level < self.size:
            if index % 2:
                hashed = sha256(b"\x01" + self.node(level, index - 1) + hashed)
            elif (index + 1) << level < self.size:
                hashed = sha256(b"\x01" + hashed + self.node(level, index + 1))
            index, level = index // 2, level + 1
        assert hashed == self.root

    def follow_roster(self):
        """Check the roster's signatures from the founding statement on, and keep everybody's public keys."""
        head = self.registry
        for number, record in enumerate(self.records("roster", 8), 1):
            position = int.from_bytes(record, "big")
            self.check_included(position)
            core, sealed, signature = self.record(position)
            topic = self.parts(position)[8].decode()
            said = json.loads(core)
            assert b64(said["previous"]) == head
            if topic == "roster.founded":
                self.check_founding(core, said)
            head = sha256(joined(label("roster-link"), self.registry, u64(number), topic, core, sealed))
            key = self.keys[said["by"]]
            Ed25519PublicKey.from_public_bytes(key).verify(signature, joined(label("roster-signature"), head))
            if "keys" in said:
                self.keys[said["member"]] = b64(said["keys"]["signing"])
        assert b64(self.lines["roster-head"]) == head
        assert int(self.lines["roster-length"]) == number == self.manifest["roster"]

    def record(self, position):
        """Return core, sealed part and signature of a roster event."""
        state = self.state(position)
        assert state[:1] == b"\x02"
        core, rest = state[5 : 5 + int.from_bytes(state[1:5], "big")], state[5 + int.from_bytes(state[1:5], "big") :]
        sealed, signature = rest[4 : 4 + int.from_bytes(rest[:4], "big")], rest[4 + int.from_bytes(rest[:4], "big") :]
        assert len(signature) == 64
        return core, sealed, signature

    def check_founding(self, core, said):
        """Check that the founding statement is the registry's, and begin with its founders' keys."""
        statement = core[core.index(b'"statement":') + len(b'"statement":') : -1]
        assert json.loads(statement) == said["statement"]
        assert sha256(joined(label("founding-statement"), statement)) == self.registry
        for founder in said["statement"]["founders"]:
            self.keys[founder["member"]] = b64(founder["keys"]["signing"])

    def check_signed(self):
        """Check the author's signature under the checkpoint."""
        member = self.author.removeprefix(f"token-registry/{self.registry.hex()}/")
        key = self.keys[member]
        assert self.signature[:4] == sha256(self.author.encode() + b"\n\x01" + key)[:4]
        Ed25519PublicKey.from_public_bytes(key).verify(self.signature[4:], self.text.encode())

    def note(self, number):
        """Return the signed checkpoint of a commit."""
        return self.framed("commits", number, self.manifest["commits"])

    def openings(self):
        """Return the disclosed positions, each with its event key."""
        records = self.records("openings", 40)
        assert len(records) == self.manifest["openings"]
        return {int.from_bytes(record[:8], "big"): record[8:] for record in records}

    def opened(self, position):
        """Return what a disclosed event says, shown to be in the log and by whom and when it was committed."""
        self.check_included(position)
        _, _, _, commit, author, at, originator, version, topic, _ = self.parts(position)
        is_roster = originator.decode() == self.registry[:16].hex()
        core, envelope, _ = self.record(position) if is_roster else (b"{}", self.state(position), b"")
        header, start = envelope[:5], {1: 5 + 32, 2: 5 + 80}[envelope[0]]
        place = joined(self.registry, ids(originator.decode()), version, topic)
        contents = open_once(self.openings()[position], "event-content", envelope[start:], header + place)
        assert contents[:1] == b"\x01"
        said = json.loads(core) | json.loads(contents[1:])
        assert said["by"] == author.decode()
        assert datetime.fromisoformat(said["at"]) <= datetime.fromisoformat(at.decode())
        assert f"\ncommit {int.from_bytes(commit, 'big')}\n".encode() in self.note(int.from_bytes(commit, "big"))
        return topic.decode(), said
