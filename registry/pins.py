"""What this machine knows of its registries, outside any database: each one's id, and how far it had come.

::

    <state>/pins/<SHA-256 of the store's URL, 32 hexadecimal digits>.json

    {"version": 2, "url": …, "registry_id": …, "checkpoint": …, "at": …, "roster_digest": …,
     "members": {id: [role, key]}, "accepted": [link, …]}

The store is never asked what its own id is: whoever holds the database could answer as they like. ``checkpoint`` is the
last one that was verified, a signed note. A pin never goes back, but along a rollback that an admin accepted whom the
pin itself names as one. Whoever moves it says which one it has gone on from, and is told if another has come meanwhile.
"""

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from msgspec import Struct, structs

from registry.errors import IntegrityError, Unusable
from registry.log import checkpoint, note
from registry.log.checkpoint import Checkpoint
from registry.log.note import Note
from registry.values import MemberId, rfc3339

VERSION = 2


class Pinned(Struct, frozen=True):
    """The last verified checkpoint, and what was checked with it."""

    signed: Note
    checkpoint: Checkpoint
    at: datetime
    """The time of the checkpoint's commit: a rollback that was accepted before it does not give it up."""
    roster_digest: bytes
    """A hash over the roster's stored events so far, so that what was checked once need not be checked again."""
    members: Mapping[MemberId, tuple[str, bytes]]
    """Each member of that moment with its role and its signing key: who may say that a rollback was honest."""
    accepted: frozenset[bytes] = frozenset()
    """The links of the accepted rollbacks behind it, and of those that a pin before it followed: none counts again."""

    @property
    def author(self) -> MemberId:
        """Who signed the checkpoint."""
        return checkpoint.member_of(self.checkpoint.registry, self.signed.signatures[0].name)

    @property
    def signature(self) -> bytes:
        """The author's signature."""
        return self.signed.signatures[0].value

    def text(self) -> str:
        """Return the signed checkpoint as it is stored, sent and shown."""
        return self.signed.encode().decode()


class Pin(Struct, frozen=True):
    """What one store must be; ``seen`` is ``None`` where nothing but the registry's id is known."""

    url: str
    registry_id: bytes
    seen: Pinned | None = None

    @property
    def size(self) -> int:
        """How many events there were when the machine last looked."""
        return self.seen.checkpoint.size if self.seen else 0

    @property
    def commit(self) -> int:
        """The number of the last verified commit; -1 for none."""
        return self.seen.checkpoint.commit if self.seen else -1

    @property
    def accepted(self) -> frozenset[bytes]:
        """The links of the accepted rollbacks that were followed."""
        return self.seen.accepted if self.seen else frozenset()

    def knowing(self, accepted: Iterable[bytes]) -> "Pin":
        """Return the same pin, which knows of these accepted rollbacks too."""
        if self.seen is None:
            return self
        return structs.replace(self, seen=structs.replace(self.seen, accepted=self.accepted.union(accepted)))


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
            registry = bytes.fromhex(document["registry_id"])
            return Pin(url, registry, _pinned(registry, document))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unusable(f"the pin {path} cannot be read: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, IntegrityError):
            raise Unusable(
                f"the pin {path} is damaged", "restore it from a backup, or remove it and join anew"
            ) from None

    def following(self, url: str) -> Callable[[], int]:
        """Return what tells the commit that is pinned by then, -1 for none; it reads the pin only where that is new."""
        path, known = self._path(url), (0, 0)
        commit = -1

        def pinned() -> int:
            nonlocal known, commit
            with contextlib.suppress(OSError, Unusable):  # whoever moves it says what is wrong with it
                found = path.stat()
                if (found.st_ino, found.st_mtime_ns) != known:
                    pin = self.get(url)
                    known, commit = (found.st_ino, found.st_mtime_ns), pin.commit if pin else -1
            return commit

        return pinned

    def of_registry(self, registry_id: bytes) -> "list[Pin]":
        """Return what this machine knows of a registry, wherever its stores lie."""
        found = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                pin = self.get(json.loads(path.read_bytes())["url"])
            except (OSError, ValueError, KeyError, TypeError, AttributeError, Unusable):
                continue  # a damaged pin of another store is no reason to refuse this one
            if pin is not None and pin.registry_id == registry_id:
                found.append(pin)
        return found

    def replace(self, before: Pin | None, pin: Pin) -> Pin:
        """Put a pin in the place of the one that it went on from, and return what is pinned then.

        That is another where somebody else has moved the pin meanwhile: it stays, and must be gone on from first.
        """
        with self._locked(pin.url):
            known = self.get(pin.url)
            if known is None or known == before:
                self.put(pin)
                return pin
            return known

    @contextlib.contextmanager
    def _locked(self, url: str) -> Iterator[None]:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(self._folder / "lock", "w", opener=_private) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise Unusable(f"the pin of {url} cannot be written: {error.strerror}") from None

    def put(self, pin: Pin) -> None:
        """Keep a pin, whole or not at all."""
        path = self._path(pin.url)
        document = {"version": VERSION, "url": pin.url, "registry_id": pin.registry_id.hex()}
        if pin.seen:
            members = {member: [role, key.hex()] for member, (role, key) in pin.seen.members.items()}
            document |= {
                "checkpoint": pin.seen.text(),
                "at": rfc3339(pin.seen.at),
                "roster_digest": pin.seen.roster_digest.hex(),
                "members": members,
                "accepted": _hexadecimal(pin.seen.accepted),
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


def _pinned(registry: bytes, document: "dict[str, object]") -> Pinned | None:
    if "checkpoint" not in document:
        return None
    signed = note.parse(str(document["checkpoint"]).encode())
    members = document["members"]
    pinned = Pinned(
        signed,
        Checkpoint.parse(signed.text),
        datetime.fromisoformat(str(document["at"])),
        bytes.fromhex(str(document["roster_digest"])),
        {MemberId(member): (role, bytes.fromhex(key)) for member, (role, key) in members.items()},  # type: ignore[attr-defined]  # a wrong type is an error of the pin's
        frozenset(map(bytes.fromhex, document["accepted"])),  # type: ignore[call-overload]  # as above
    )
    if pinned.checkpoint.registry != registry or len(signed.signatures) != 1 or not pinned.author:
        raise ValueError
    if [rfc3339(pinned.at), _hexadecimal(pinned.accepted)] != [document["at"], document["accepted"]]:
        raise ValueError
    return pinned


def _hexadecimal(links: Iterable[bytes]) -> list[str]:
    return sorted(link.hex() for link in links)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
