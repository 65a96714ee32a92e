"""What the log can show of itself: its newest checkpoint, and proofs that anybody can check."""

from typing import Any

from msgspec import Struct

from registry.errors import IntegrityError, NotFound
from registry.log import checkpoint, merkle
from registry.log.checkpoint import Checkpoint
from registry.log.note import Note, encode_base64
from registry.log.proof_text import LogProof
from registry.service.ledger import Ledger


class SignedCheckpoint(Struct, frozen=True):
    """The newest checkpoint: ``signed`` is the note that its author made, a text as C2SP tlog-checkpoint says."""

    size: int
    root: bytes
    commit: int
    author: str
    signed: str

    def document(self) -> dict[str, Any]:
        """Return it as the JSON object that ``log checkpoint`` promises."""
        return {
            "size": self.size,
            "root": encode_base64(self.root),
            "commit": self.commit,
            "author": self.author,
            "checkpoint": self.signed,
        }


class InclusionProof(Struct, frozen=True):
    """The proof that an event is in the log of a checkpoint, RFC 9162 section 2.1.3."""

    index: int
    size: int
    leaf_hash: bytes
    root: bytes
    hashes: tuple[bytes, ...]
    signed: Note

    def text(self) -> str:
        """Return it as a C2SP tlog-proof."""
        return LogProof(self.index, self.hashes, self.signed).encode().decode()

    def document(self) -> dict[str, Any]:
        """Return it as the JSON object that ``log proof`` promises."""
        return {
            "index": self.index,
            "size": self.size,
            "leaf_hash": encode_base64(self.leaf_hash),
            "root": encode_base64(self.root),
            "hashes": list(map(encode_base64, self.hashes)),
            "checkpoint": self.signed.encode().decode(),
        }


class ConsistencyProof(Struct, frozen=True):
    """The proof that the log of one size begins that of another, RFC 9162 section 2.1.4."""

    old_size: int
    size: int
    old_root: bytes
    root: bytes
    hashes: tuple[bytes, ...]

    def text(self) -> str:
        """Return it as lines: both sizes with their roots, then the hashes."""
        lines = [f"from {self.old_size} {encode_base64(self.old_root)}", f"to {self.size} {encode_base64(self.root)}"]
        return "".join(f"{line}\n" for line in [*lines, *map(encode_base64, self.hashes)])

    def document(self) -> dict[str, Any]:
        """Return it as the JSON object that ``log consistency`` promises."""
        return {
            "from": self.old_size,
            "to": self.size,
            "from_root": encode_base64(self.old_root),
            "to_root": encode_base64(self.root),
            "hashes": list(map(encode_base64, self.hashes)),
        }


class Log:
    """The log of a registry, as its member may use it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def _node(self, level: int, index: int) -> bytes:
        number = merkle.node_number(level, index)
        try:
            return self._ledger.store.nodes([number])[number]
        except KeyError:
            raise IntegrityError(f"the node {number} of the log is missing", "'verify' says more") from None

    def _signed(self) -> Note:
        head, roster = self._ledger.head, self._ledger.roster
        public = roster.member(head.author).keys.signing
        return checkpoint.restored(head.checkpoint(self._ledger.registry), head.author, public, head.signature)

    def checkpoint(self) -> SignedCheckpoint:
        """Return the newest checkpoint; it was verified before."""
        self._ledger.refresh()
        head = self._ledger.head
        return SignedCheckpoint(head.size, head.root, head.number, head.author, self._signed().encode().decode())

    def proof(self, position: int) -> InclusionProof:
        """Return the proof that the event at a position is in the newest log; ``NotFound`` if there is none."""
        self._ledger.refresh()
        head = self._ledger.head
        if not 0 <= position < head.size:
            raise NotFound(
                f"there is no event at position {position}", f"the log has the positions 0 to {head.size - 1}"
            )
        event = next(self._ledger.store.events(position, end=position + 1), None)
        if event is None:
            raise IntegrityError(f"the event at position {position} is missing", "'verify' says more")
        hashed = event.leaf(self._ledger.registry).hashed()
        hashes = tuple(merkle.inclusion_proof(self._node, position, head.size))
        # A store that lies about a node or the event is noticed here, not by whoever is shown the proof.
        merkle.verify_inclusion(hashed, position, head.size, hashes, head.root)
        return InclusionProof(position, head.size, hashed, head.root, hashes, self._signed())

    def consistency(self, old_size: int, size: int) -> ConsistencyProof:
        """Return the proof that the log of one size begins that of another; ``NotFound`` for sizes it never had."""
        self._ledger.refresh()
        head = self._ledger.head
        if not 0 < old_size <= size <= head.size:
            raise NotFound(
                f"no proof leads from {old_size} to {size} events", f"sizes go from 1 to {head.size}, the smaller first"
            )
        old_root, root = merkle.root_at(self._node, old_size), merkle.root_at(self._node, size)
        onward = merkle.consistency_proof(self._node, size, head.size)
        merkle.verify_consistency(size, head.size, onward, root, head.root)
        hashes = tuple(merkle.consistency_proof(self._node, old_size, size))
        merkle.verify_consistency(old_size, size, hashes, old_root, root)
        return ConsistencyProof(old_size, size, old_root, root, hashes)

    def check(self, signed: bytes) -> Checkpoint:
        """Return a checkpoint that somebody else saw, if this log goes through it; else ``IntegrityError`` shows both.

        ``InvalidValue`` if it is no checkpoint of a registry at all.
        """
        from registry.service.checking import check_seen_elsewhere  # noqa: PLC0415 - rarely asked

        self._ledger.refresh()
        return check_seen_elsewhere(self._ledger, signed)
