"""Signing requests with credentials that may change at any moment: each with those that are current when it goes out.

``httpx`` asks an ``Auth`` for a flow for each request. This one asks what the credentials are, and lets the provider's
own ``Auth`` for them do the work; with other credentials that one is replaced, and what it kept, an access token for
one, goes with it. A flow that has waited, for a token or for an answer, asks again before it sends anything more.
"""

import os
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from typing import Protocol

import anyio.to_thread
import httpx

from registry.errors import ProviderRejected
from registry.providers import catalogue
from registry.providers._token_flow import may_repeat
from registry.values import Secret


class Current(Protocol):
    """What is known of a token's present credentials."""

    @property
    def token_id(self) -> str:
        """Which token it is."""

    @property
    def revision(self) -> int:
        """Its revision; another one may bring other credentials."""

    @property
    def provider(self) -> str:
        """The name of the provider."""

    @property
    def fields(self) -> Mapping[str, Secret]:
        """Its values."""


class AtHand(Protocol):
    """Gives the present credentials if they can be given without waiting, else ``None``."""

    def __call__(self, *, use: bool) -> Current | None:
        """Return them; ``use`` says that they are to be used, not merely looked at."""


class CurrentAuth(httpx.Auth):
    """Signs each request of any number of threads, tasks and event loops with a token's present credentials."""

    def __init__(self, resolve: Callable[[], Current], at_hand: AtHand) -> None:
        self._resolve = resolve
        self._at_hand = at_hand
        self.begin_anew()
        _auths.add(self)

    def begin_anew(self) -> None:
        """Forget what was kept. After a fork, another thread's lock would never be released in the child."""
        self._lock = threading.Lock()
        self._current: Current | None = None
        self._signer = httpx.Auth()

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign for a ``httpx.Client``. The errors are those of ``resolve``, and of the provider."""
        response: httpx.Response | None = None
        while True:
            signer = self._known(use=True) or self._asked()
            # httpx drives a flow by next, send and close, so these are all that has to be handed on.
            flow = signer.sync_auth_flow(request)
            try:
                step = next(flow)
                while self._is_current(signer):
                    response = yield step
                    step = flow.send(response)
            except StopIteration:
                if response is None or not may_repeat(request, response) or self._is_current(signer):
                    return
            except ProviderRejected:
                if self._is_current(signer):
                    raise
            finally:
                flow.close()

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Sign for a ``httpx.AsyncClient``: the same steps, and what may take long is done by a thread."""
        response: httpx.Response | None = None
        while True:
            signer = self._known(use=True) or await _in_thread(self._asked)
            flow = signer.async_auth_flow(request)
            try:
                step = await anext(flow)
                while await self._is_still_current(signer):
                    response = yield step
                    step = await flow.asend(response)
            except StopAsyncIteration:
                if response is None or not may_repeat(request, response) or await self._is_still_current(signer):
                    return
            except ProviderRejected:
                if await self._is_still_current(signer):
                    raise
            finally:
                await flow.aclose()

    def _is_current(self, signer: httpx.Auth) -> bool:
        return (self._known(use=False) or self._asked()) is signer

    async def _is_still_current(self, signer: httpx.Auth) -> bool:
        return (self._known(use=False) or await _in_thread(self._asked)) is signer

    def _known(self, *, use: bool) -> httpx.Auth | None:
        """Return what signs now, if that can be said without waiting for anything."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            current = self._at_hand(use=use)
            return None if current is None else self._signer_for(current)
        finally:
            self._lock.release()

    def _asked(self) -> httpx.Auth:
        # Asked under the lock, so that no thread that was slow puts former credentials back in their successors' place.
        with self._lock:
            try:
                return self._signer_for(self._resolve())
            except BaseException:
                # Of a token that is gone nothing is kept either.
                self._current, self._signer = None, httpx.Auth()
                raise

    def _signer_for(self, current: Current) -> httpx.Auth:
        if current is not self._current:
            if self._current is None or not _same(current, self._current):
                self._signer = catalogue.load(current.provider).auth(current.fields)
            self._current = current
        return self._signer


async def _in_thread(work: Callable[[], httpx.Auth]) -> httpx.Auth:
    # A place of its own among the threads: those that all share may be taken by who waits for this very request.
    return await anyio.to_thread.run_sync(work, limiter=anyio.CapacityLimiter(1))


def _same(one: Current, other: Current) -> bool:
    # Not the revision alone: after an accepted rollback another change may have the same number.
    return (one.token_id, one.revision, one.provider) == (other.token_id, other.revision, other.provider) and dict(
        one.fields
    ) == dict(other.fields)


_auths: "weakref.WeakSet[CurrentAuth]" = weakref.WeakSet()


def _begin_anew() -> None:
    for auth in list(_auths):
        auth.begin_anew()


os.register_at_fork(after_in_child=_begin_anew)
