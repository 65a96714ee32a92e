"""What can be wrong with a log: where, of which kind, and in words."""

from msgspec import Struct

COMMIT = "commit"
"""A commit or its checkpoint is missing, out of order, or in no known format."""
EVENT = "event"
"""An event is missing, doubled, or not the one that its commit's root is over."""
NODE = "node"
"""A stored node of the tree is missing, too many, or not the hash of what it covers."""
SIGNATURE = "signature"
"""A checkpoint is not signed by its author, or its author was no member."""
ROLE = "role"
"""A commit's author had no role that allows what it did."""
TIME = "time"
"""A commit is older than the one before it, or of a time that is not yet."""
SHREDDING = "shredding"
"""A commit says of shredding what cannot be."""
ROSTER = "roster"
"""An event of the roster is not the one that must stand there."""
CONTENTS = "contents"
"""An event's contents do not open, are in no known format, or are larger than any may be."""
ACTOR = "actor"
"""An event's contents name another author than signed for it."""
VERSION = "version"
"""An event does not have its stream's next version."""
REPLAY = "replay"
"""An event cannot follow those before it, or says of itself what does not follow from them."""
ROW = "row"
"""A current row is missing, too many, or not what the events lead to."""
PRESENT = "present"
"""The present, or a stored unit of it, is not what the current rows make it."""
DATA_KEY = "data-key"
"""A data key is missing, or belongs to no token."""
UNSIGNED = "unsigned"
"""Events stand behind the last checkpoint."""
SCHEMA = "schema"
"""The store's tables, indexes or triggers are not a registry's."""

PIN = "pin"
"""The log is shorter than, or another than, the one that this machine has seen."""

KINDS = (
    COMMIT,
    EVENT,
    NODE,
    SIGNATURE,
    ROLE,
    TIME,
    SHREDDING,
    ROSTER,
    CONTENTS,
    ACTOR,
    VERSION,
    REPLAY,
    ROW,
    PRESENT,
    DATA_KEY,
    UNSIGNED,
    SCHEMA,
    PIN,
)

ACKNOWLEDGEABLE = frozenset({ROLE, TIME, SHREDDING, CONTENTS, ACTOR, VERSION, REPLAY})
"""What the author of a commit did wrong, signed, so that it stays in the log. Everything else is the store's fault, and
can be mended: who could acknowledge it could let the database do it."""


class Problem(Struct, frozen=True, order=True):
    """Something wrong, at the position of the first event that it concerns; the log's size if it concerns none."""

    position: int
    kind: str
    message: str
