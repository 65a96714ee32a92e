"""What a use case takes from the world around it, so that tests can give it another one."""

import os
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from msgspec import Struct

from registry._version import __version__


def _now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return uuid.uuid4().hex


class Surroundings(Struct, frozen=True):
    """A clock in UTC, a source of ids, and where this program runs."""

    clock: Callable[[], datetime] = _now
    new_id: Callable[[], str] = _new_id
    host: str = os.uname().nodename
    client: str = f"token-registry/{__version__}"
