"""Comparing the log with a checkpoint that somebody else saw: an auditor's, from an e-mail, from another machine."""

from registry.domain.roster import Roster
from registry.errors import IntegrityError, InvalidValue
from registry.log import checkpoint, merkle, note
from registry.log.checkpoint import Checkpoint
from registry.log.note import Note, NoteKey
from registry.service.ledger import Ledger

_FORK = "two histories have been shown: keep both checkpoints, and find out which store each came from"


def parse_seen(signed: bytes) -> tuple[Note, Checkpoint]:
    """Return note and checkpoint of what somebody saw; ``InvalidValue`` if it is none of a registry's."""
    try:
        parsed = note.parse(signed)
        return parsed, Checkpoint.parse(parsed.text)
    except IntegrityError as error:
        raise InvalidValue(f"that is not the checkpoint of a registry: {error}", "'pin export' writes one") from None


def signing_keys(registry: bytes, roster: Roster) -> list[NoteKey]:
    """Return every key that a member has, or had before it was removed or renewed."""
    known = [(m.id, m.keys.signing) for m in (*roster.former.values(), *roster.members.values())]
    spent = [(member, key) for key, member in roster.spent.items()]
    return [checkpoint.member_key(registry, member, key) for member, key in [*known, *spent]]


def check_vouched(registry: bytes, roster: Roster, signed: Note) -> None:
    """Raise ``IntegrityError`` unless somebody who is or was a member signed the checkpoint."""
    try:
        note.verify(signed, signing_keys(registry, roster))
    except IntegrityError:
        raise IntegrityError("no member vouches for this checkpoint", "somebody made it up") from None


def check_seen_elsewhere(ledger: Ledger, data: bytes) -> Checkpoint:
    """Return the checkpoint if the log goes through it; ``IntegrityError`` with both checkpoints if it does not."""
    signed, seen = parse_seen(data)
    if seen.registry != ledger.registry:
        raise IntegrityError(
            "the checkpoint is another registry's", f"this one is {checkpoint.origin(ledger.registry)}"
        )
    check_vouched(ledger.registry, ledger.roster, signed)
    made, head = ledger.store.commit(seen.commit), ledger.head
    own = head.checkpoint(ledger.registry).text()
    detail = f"somebody has seen:\n{signed.encode().decode()}\nthe store holds:\n{own}"
    if made is None:
        message = f"the log ends at commit {head.number}; somebody has seen commit {seen.commit}"
    elif made.checkpoint(ledger.registry) != seen or _root(ledger, seen.size) != seen.root:
        message = f"commit {seen.commit} is not the one that somebody has seen"
    else:
        return seen
    raise IntegrityError(message, _FORK, detail)


def _root(ledger: Ledger, size: int) -> bytes:
    numbers = [merkle.node_number(*place) for place in merkle.complete_subtrees(size)]
    nodes = ledger.store.nodes(numbers)
    return merkle.root_at(lambda level, index: nodes.get(merkle.node_number(level, index), b""), size)
