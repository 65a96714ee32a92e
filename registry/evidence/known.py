"""The checkpoint that a stranger knows from elsewhere: what the evidence is held against."""

from pathlib import Path

from msgspec import Struct

from registry.errors import IntegrityError, InvalidValue
from registry.log import note
from registry.log.checkpoint import Checkpoint
from registry.log.note import LARGEST_NOTE, Note

_HINT = "it is what 'pin export' prints: a checkpoint of a registry with the signature under it"


class Known(Struct, frozen=True):
    """A checkpoint with its signatures, none of them checked yet."""

    signed: Note
    checkpoint: Checkpoint


def read_known(path: Path) -> Known:
    """Return the checkpoint in a file; ``InvalidValue`` if the file holds none.

    Line ends and the space around it may be as mail left them: the signature decides.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_NOTE + 1)
    except OSError as error:
        raise InvalidValue(f"the known checkpoint {path} cannot be read: {error.strerror}") from None
    try:
        signed = note.parse(data.replace(b"\r\n", b"\n").strip(b" \t\n") + b"\n")
        return Known(signed, Checkpoint.parse(signed.text))
    except IntegrityError as error:
        raise InvalidValue(f"{path} holds no checkpoint of a registry: {error}", _HINT) from None
