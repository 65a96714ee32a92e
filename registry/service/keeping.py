"""Keeping what was seen: this machine's pin is moved to what was verified, and never past what another process saw."""

from time import monotonic

from registry.errors import IntegrityError
from registry.pins import Pin, Pins
from registry.service.recalling import pin_of, recall, same
from registry.store.following import Follower
from registry.store.proven import ProvenLog
from registry.store.store import Store

_KEEP_EVERY = 1.0
"""Seconds for which a long-running process may commit without moving its pin; opening and closing always do."""


def move(pins: Pins, before: Pin | None, pin: Pin, store: Store) -> Pin:
    """Pin what a store was followed to, from ``before`` on, and return what is pinned then.

    ``recall`` follows from ``before``: what it accepts may be pinned. Where another process of this machine has pinned
    something else since, the store must hold both, or have given one of them up, and the newer stays;
    ``IntegrityError`` shows what it lacks.
    """
    pin = pin.knowing(before.accepted if before else ())
    # Others may move it again while the store is asked, which is done without the lock. Each turn they have come
    # further, so this ends with them.
    while (known := pins.replace(before, pin)) != pin and known.registry_id == pin.registry_id:
        settled = _settled(store, known, pin)
        if settled == known:
            break
        before, pin = known, settled
    return known


def _settled(store: Store, known: Pin, pin: Pin) -> Pin:
    with store.as_of_now() as now, now.snapshot():
        return _newer(now, known, pin).knowing(known.accepted | pin.accepted)


def _newer(store: Store, known: Pin, pin: Pin) -> Pin:
    """Return which of two pins stays; ``IntegrityError`` unless the store holds each, or an admin gave it up."""
    lost = gone = False
    if not _one_history(store, *sorted((known, pin), key=lambda each: each.commit)):
        (_, lost), (_, gone) = recall(store, known), recall(store, pin)
    return pin if not gone and (lost or pin.commit > known.commit) else known


def _one_history(store: Store, first: Pin, last: Pin) -> bool:
    """Return whether the store holds what two processes have seen, and the one goes on from the other.

    Both have verified what they have seen, so that a proof is enough and nothing is followed again: it is what happens
    all the time when many commit at once.
    """
    if first.seen is None or last.seen is None:
        return True
    try:
        made, newest = store.commit(first.commit), store.commit(last.commit)
        if made is None or newest is None or not (same(made, first.seen) and same(newest, last.seen)):
            return False
        return ProvenLog(store, last.registry_id, newest).end_of(first.seen.checkpoint) is not None
    except IntegrityError:  # parts of the store are damaged; whoever follows it says which
        return False


class PinKeeper:
    """Moves this machine's pin to what was verified: never back, but along a rollback that was accepted."""

    def __init__(self, pins: Pins | None, pin: Pin, store: Store) -> None:
        self._pins = pins
        self._pin = pin
        self._store = store
        self._kept_at = 0.0

    @property
    def accepted(self) -> frozenset[bytes]:
        """The links of the accepted rollbacks that do not count again."""
        return self._pin.accepted

    def parts(self) -> tuple[Pins | None, Pin]:
        """Return what another keeper of the same pin is made of."""
        return self._pins, self._pin

    def keep(self, log: Follower, *, at_once: bool) -> None:
        """Pin how far the log was followed; not ``at_once``, only if that was not done within the last second."""
        head, seen, now = log.head, self._pin.seen, monotonic()
        if head is None or (seen is not None and (head.number, head.signature) == (self._pin.commit, seen.signature)):
            return
        if self._pins is None or not (at_once or now - self._kept_at > _KEEP_EVERY):
            return
        pin = pin_of(self._pin.url, log)
        kept = move(self._pins, self._pin, pin, self._store)
        self._kept_at = now
        if kept.seen and pin.seen and kept.seen.signed == pin.seen.signed:
            # Not what another process has seen beyond that: this log has yet to come through it.
            self._pin = kept
