"""Watching what tokens mean to a program that was given their values, and whether these still hold."""

import time
from collections.abc import Sequence

from registry.service.closing import Closing
from registry.service.disclosing import Asked, Disclosing
from registry.service.ledger import Ledger
from registry.service.lookout import STEP, Lookout

_Meant = list[tuple[str, bytes]]


class TokenWatch(Closing):
    """Says whether names still mean the same tokens with the same values. One thread may ask at a time.

    It opens no credentials, so nothing of it is recorded as a use.
    """

    def __init__(self, ledger: Ledger, wanted: Sequence[Asked]) -> None:
        self._wanted = wanted
        self._lookout = Lookout(ledger)
        self._due = False
        try:
            self._known = self._meant()
        except BaseException:
            self.close()
            raise

    def _meant(self) -> _Meant:
        ledger = self._lookout.followed()
        if ledger.is_away():
            return []  # nothing is handed out here any more
        disclosing = Disclosing(ledger)
        with ledger.glance():
            rows = [disclosing.meant(asked).row for asked in self._wanted]
        # A box is sealed anew with every change of the credentials, and with nothing else.
        return [(row.token, row.box) for row in rows]

    def changed(self) -> bool:
        """Return whether anything has changed since it was last asked, or made; it returns at once.

        That is: a name means another token, the token has other credentials, or the registry was moved. ``NotFound`` if
        there is none of a name any more, and the other errors of ``resolve``.
        """
        if not (self._due or self._lookout.changed()):
            return False
        self._due = True  # if that fails, it is not done
        known, self._known = self._known, self._meant()
        self._due = False
        return known != self._known

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until something has changed, for so many seconds at most; return whether it has. Errors: as above."""
        patience = None if timeout is None else time.monotonic() + timeout
        while not self.changed():
            left = STEP if patience is None else min(STEP, patience - time.monotonic())
            if left <= 0:
                return False
            self._lookout.wait(left)
        return True

    def close(self) -> None:
        """Let go of the store."""
        self._lookout.close()
