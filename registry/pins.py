"""What this machine knows of its registries, outside any database: the id each store must have.

::

    <state>/pins/<SHA-256 of the store's URL, 32 hexadecimal digits>.json

    {"version": 1, "url": …, "registry_id": …, "size": …, "roster_version": …, "roster_head": …,
     "roster_digest": …}

The store is never asked what its own id is: whoever holds the database could answer as they like.
"""

import contextlib
import fcntl
import hashlib
import json
import os
from pathlib import Path

from msgspec import Struct

from registry.errors import Unusable

VERSION = 1


class Pin(Struct, frozen=True):
    """What one store must be."""

    url: str
    registry_id: bytes
    size: int = 0
    """How many events there were when the machine last looked; a shorter history is not the same one."""
    roster_version: int = 0
    roster_head: bytes = b""
    """How far the roster had come; a roster that does not pass through here is not the same one."""
    roster_digest: bytes = b""
    """A hash over the roster's stored events so far, so that what was checked once need not be checked again."""


class Pins:
    """The pins of this machine, one small file for each store."""

    def __init__(self, state: Path) -> None:
        self._folder = state / "pins"

    def _path(self, url: str) -> Path:
        digest = hashlib.sha256(url.encode(errors="surrogatepass")).hexdigest()
        return self._folder / f"{digest[:32]}.json"

    def get(self, url: str) -> Pin | None:
        """Return the pin of the store at a URL; ``None`` if this machine has never met it."""
        path = self._path(url)
        try:
            document = json.loads(path.read_bytes())
            if document["version"] != VERSION or document["url"] != url:
                raise ValueError
            return Pin(
                url,
                bytes.fromhex(document["registry_id"]),
                int(document["size"]),
                int(document["roster_version"]),
                bytes.fromhex(document["roster_head"]),
                bytes.fromhex(document["roster_digest"]),
            )
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unusable(f"the pin {path} cannot be read: {error.strerror}") from None
        except (ValueError, KeyError, TypeError):
            raise Unusable(
                f"the pin {path} is damaged", "restore it from a backup, or remove it and join anew"
            ) from None

    def of_registry(self, registry_id: bytes) -> "list[Pin]":
        """Return what this machine knows of a registry, wherever its stores lie."""
        found = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                pin = self.get(json.loads(path.read_bytes())["url"])
            except (OSError, ValueError, KeyError, TypeError):
                continue  # a damaged pin of another store is no reason to refuse this one
            if pin is not None and pin.registry_id == registry_id:
                found.append(pin)
        return found

    def advance(self, pin: Pin) -> None:
        """Keep a pin unless this machine has seen more of the same registry meanwhile: a pin never goes back."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(self._folder / "lock", "w", opener=_private) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                known = self.get(pin.url)
                if known is None or _further(known, pin):
                    self.put(pin)
        except OSError as error:
            raise Unusable(f"the pin of {pin.url} cannot be written: {error.strerror}") from None

    def put(self, pin: Pin) -> None:
        """Keep a pin, whole or not at all."""
        path = self._path(pin.url)
        document = {
            "version": VERSION,
            "url": pin.url,
            "registry_id": pin.registry_id.hex(),
            "size": pin.size,
            "roster_version": pin.roster_version,
            "roster_head": pin.roster_head.hex(),
            "roster_digest": pin.roster_digest.hex(),
        }
        partial = path.with_suffix(f".{os.getpid()}")
        try:
            self._folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._folder.mkdir(exist_ok=True, mode=0o700)
            with open(partial, "w", encoding="utf-8", opener=_private) as file:
                json.dump(document, file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError as error:
            raise Unusable(f"the pin {path} cannot be written: {error.strerror}") from None
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()


def _further(known: Pin, pin: Pin) -> bool:
    # The store says how large it is; no size it claims may take the roster back to where it was.
    return known.registry_id == pin.registry_id and (
        known.roster_version < pin.roster_version
        or (known.roster_version == pin.roster_version and known.size < pin.size)
    )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
