"""What this machine has seen of the registry, without opening the store: it may be the store that is wrong."""

from pathlib import Path

from msgspec import Struct

from registry.errors import NotFound
from registry.pins import Pins
from registry.service.places import place_of
from registry.service.registry import known_pin
from registry.settings import Settings, load_settings


class PinView(Struct, frozen=True):
    """The newest checkpoint that this machine has verified; ``signed`` is the note, as its author signed it."""

    registry_id: str
    store: str
    size: int
    commit: int
    root: bytes
    author: str
    signed: str


def read_pin(settings: Settings | None = None) -> PinView:
    """Return what this machine has seen; ``Unusable`` if it never met the registry."""
    settings = settings or load_settings()
    pin = known_pin(Pins(Path(settings.state.value)), place_of(settings))
    if pin.seen is None:
        raise NotFound("this machine has seen nothing of the registry yet", "any command that opens it does")
    point = pin.seen.checkpoint
    return PinView(
        registry_id=pin.registry_id.hex(),
        store=pin.url,
        size=point.size,
        commit=point.commit,
        root=point.root,
        author=pin.seen.author,
        signed=pin.seen.text(),
    )
