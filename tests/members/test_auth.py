"""Requests of running apps are signed with the credentials that are current at that moment, over real connections."""

import asyncio
import contextlib
import fcntl
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from registry import NewToken, NotFound, NotPermitted, Secret, TokenEdit
from registry.testing.zoom_stand_in import Quirk, ZoomStandIn

EVERY_ENGINE = True

KEY, SECRET, NEXT = (
    "key-of-meetings",
    "first-secret-of-at-least-32-characters",
    "second-secret-of-at-least-32-characters",
)
TOKEN, ME, SESSIONS = "POST /oauth/token", "GET /v2/users/me", "GET /v2/videosdk/sessions"
PATIENCE = 10.0


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch):
    """Keep the machine's own proxies out of the tests."""
    for name in list(os.environ):
        if name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)


@pytest.fixture
def zoom(team):
    """Return a stand-in for Zoom; the registry's tokens Meetings and Calls are for it."""
    with ZoomStandIn() as stand_in:
        stand_in.add_key(KEY, SECRET)
        stand_in.add_app("first-account", "app", SECRET)
        stand_in.add_app("second-account", "app-2", NEXT)
        key = {"api_key": KEY, "api_secret": SECRET, "api_url": stand_in.api_url}
        app = {
            "account_id": "first-account",
            "client_id": "app",
            "client_secret": SECRET,
            "oauth_url": stand_in.oauth_url,
            "api_url": stand_in.api_url,
        }
        for name, provider, fields in (("Meetings", "zoom", key), ("Calls", "zoom-oauth", app)):
            token = NewToken(name=name, provider=provider, fields=secret(fields))
            team.do("alice", lambda r, token=token: r.tokens.add(token))
        yield stand_in


def secret(fields):
    """Return fields as they are given to the registry."""
    return {name: Secret(value) for name, value in fields.items()}


def edit(team, name, **fields):
    """Have alice, in a registry of her own, change a token's credentials."""
    team.do("alice", lambda r: r.tokens.edit(name, TokenEdit(fields=secret(fields))))


def to_the_second(team):
    """Let the token Calls be for another app, whose answers name another account."""
    edit(team, "Calls", account_id="second-account", client_id="app-2", client_secret=NEXT)


def paths(zoom):
    """Return the URLs that an API Key and an app's token read."""
    return f"{zoom.api_url}/videosdk/sessions", f"{zoom.api_url}/users/me"


def get_in_loop(auth, url, times=1):
    """Return the statuses of so many requests at once, in an event loop of their own."""

    async def read():
        async with httpx.AsyncClient(auth=auth) as client:
            return [answer.status_code for answer in await asyncio.gather(*(client.get(url) for _ in range(times)))]

    return asyncio.run(read())


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_change_is_in_the_next_request(team, opened, zoom, asynchronous):
    """Whoever goes on with the same client signs with the new secret from the commit on."""
    auth, (url, _) = opened("pay").auth("Meetings"), paths(zoom)

    def get():
        return get_in_loop(auth, url)[0] if asynchronous else httpx.get(url, auth=auth).status_code

    assert get() == 200
    zoom.change_credentials(KEY, NEXT)
    assert get() == 401
    edit(team, "Meetings", api_secret=NEXT)
    assert get() == 200


class Traffic:
    """Requests from three threads and three tasks of a loop, as many as they can make, and when each was made."""

    def __init__(self, auth, url):
        self.auth, self.url = auth, url
        self.seen, self.over = [], threading.Event()
        self.pool = ThreadPoolExecutor(4)
        self.busy = [self.pool.submit(self.in_thread) for _ in range(3)]
        self.busy.append(self.pool.submit(asyncio.run, self.in_tasks()))

    def note(self, began, answer):
        """Keep when a request began and ended, and its status."""
        self.seen.append((began, time.monotonic(), answer.status_code))

    def in_thread(self):
        """Ask on and on."""
        with httpx.Client(auth=self.auth) as client:
            while not self.over.is_set():
                self.note(time.monotonic(), client.get(self.url))

    async def in_tasks(self):
        """Ask on and on, in three tasks."""

        async def ask(client):
            while not self.over.is_set():
                self.note(time.monotonic(), await client.get(self.url))

        async with httpx.AsyncClient(auth=self.auth) as client:
            await asyncio.gather(*(ask(client) for _ in range(3)))

    def more(self):
        """Wait for a good number of requests, and return when that was."""
        enough, patience = len(self.seen) + 60, time.monotonic() + PATIENCE
        while len(self.seen) < enough:
            assert time.monotonic() < patience
            time.sleep(0.01)
        return time.monotonic()

    def end(self):
        """End it; what went wrong in a thread or a task is raised."""
        self.over.set()
        for one in self.busy:
            one.result()
        self.pool.shutdown()


def test_no_request_that_begins_after_a_change_is_signed_with_the_former(team, opened, zoom):
    """Of many requests at once, in threads and tasks, each that begins after the commit is signed with what it says."""
    traffic = Traffic(opened("pay").auth("Meetings"), paths(zoom)[0])
    try:
        before = traffic.more()
        zoom.change_credentials(KEY, NEXT)
        edit(team, "Meetings", api_secret=NEXT)
        after = time.monotonic()
        traffic.more()
    finally:
        traffic.end()
    assert {status for _, ended, status in traffic.seen if ended < before} == {200}
    assert {status for began, _, status in traffic.seen if began > after} == {200}


def test_threads_and_tasks_of_two_loops_get_one_access_token(opened, zoom):
    """However many ask at once, Zoom is asked for one access token."""
    registry, (_, url) = opened("pay"), paths(zoom)

    def get():
        return httpx.get(url, auth=registry.auth("Calls")).status_code

    with ThreadPoolExecutor(8) as pool:
        loops = [pool.submit(get_in_loop, registry.auth("Calls"), url, 10) for _ in range(2)]
        threads = [pool.submit(get) for _ in range(10)]
        assert {status for loop in loops for status in loop.result()} == {200}
        assert {thread.result() for thread in threads} == {200}
    assert zoom.requests.count(TOKEN) == 1
    assert zoom.requests.count(ME) == 30


def test_an_access_token_goes_with_the_credentials(team, opened, zoom):
    """A change drops what the former credentials had bought; what changes nothing else than another token does not."""
    auth, (_, url) = opened("pay").auth("Calls"), paths(zoom)
    with httpx.Client(auth=auth) as client:
        assert client.get(url).json()["account_id"] == "first-account"
        edit(team, "Meetings", api_secret=NEXT)
        assert client.get(url).json()["account_id"] == "first-account"
        assert zoom.requests.count(TOKEN) == 1
        to_the_second(team)
        assert client.get(url).json()["account_id"] == "second-account"
        assert zoom.requests.count(TOKEN) == 2


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_revoked_access_token_is_replaced_once(opened, zoom, asynchronous):
    """Zoom's refusal of a token is answered with a new one; a second refusal in a row is returned."""
    auth, (_, url) = opened("pay").auth("Calls"), paths(zoom)

    def get():
        return get_in_loop(auth, url)[0] if asynchronous else httpx.get(url, auth=auth).status_code

    assert get() == 200
    zoom.revoke_tokens()
    assert get() == 200
    assert zoom.requests == (TOKEN, ME, ME, TOKEN, ME)
    zoom.behave(Quirk.WRONG_SIGNATURE, path="/v2")
    assert get() == 401
    assert zoom.requests[5:] == (ME, TOKEN, ME)


def test_an_access_token_is_renewed_before_it_ends(team, opened):
    """No request goes out with a token that is at its end."""
    with ZoomStandIn(token_lifetime=1) as zoom:
        zoom.add_app("first-account", "app", SECRET)
        fields = {"account_id": "first-account", "client_id": "app", "client_secret": SECRET}
        fields |= {"oauth_url": zoom.oauth_url, "api_url": zoom.api_url}
        token = NewToken(name="Short", provider="zoom-oauth", fields=secret(fields))
        team.do("alice", lambda r: r.tokens.add(token))
        with httpx.Client(auth=opened("pay").auth("Short")) as client:
            for _ in range(2):
                assert client.get(paths(zoom)[1]).status_code == 200
                time.sleep(0.95)
        assert zoom.requests == (TOKEN, ME, TOKEN, ME)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_what_waited_for_an_access_token_asks_again(team, opened, zoom, asynchronous):
    """Credentials that change while a token is got for them are not used: not by who got it, nor by who waited."""
    auth, (_, url) = opened("pay").auth("Calls"), paths(zoom)
    zoom.behave(Quirk.SLOW, path="/oauth", times=1, pause=2)  # time for the change, on a busy machine too

    async def read():
        async with httpx.AsyncClient(auth=auth) as client:
            answers = await asyncio.gather(*(client.get(url) for _ in range(3)))
            return [answer.json()["account_id"] for answer in answers]

    with ThreadPoolExecutor(3) as pool:
        if asynchronous:
            waiting = pool.submit(asyncio.run, read())
        else:
            waiting = pool.map(lambda _: httpx.get(url, auth=auth).json()["account_id"], range(3))
        while not zoom.requests:
            time.sleep(0.01)
        to_the_second(team)
        accounts = list(waiting.result() if asynchronous else waiting)
    assert accounts == ["second-account"] * 3
    assert zoom.requests == (TOKEN, TOKEN, ME, ME, ME)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_request_on_its_way_during_a_change_is_repeated(team, opened, zoom, asynchronous):
    """What Zoom refuses because the secret was changed meanwhile is signed anew, and not handed to the caller."""
    auth, (url, _) = opened("pay").auth("Meetings"), paths(zoom)
    zoom.behave(Quirk.SLOW, times=1, pause=0.5)
    with ThreadPoolExecutor(1) as pool:
        get = (lambda: get_in_loop(auth, url)[0]) if asynchronous else (lambda: httpx.get(url, auth=auth).status_code)
        waiting = pool.submit(get)
        while not zoom.requests:
            time.sleep(0.01)
        zoom.change_credentials(KEY, NEXT)
        edit(team, "Meetings", api_secret=NEXT)
        assert waiting.result() == 200
    assert zoom.requests == (SESSIONS, SESSIONS)


def test_a_body_that_can_be_read_once_is_not_repeated(team, opened, zoom):
    """A streamed request that is refused during a change is not sent again without its body."""
    auth, (url, _) = opened("pay").auth("Meetings"), paths(zoom)
    zoom.behave(Quirk.SLOW, times=1, pause=0.5)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(httpx.post, url, auth=auth, content=iter([b"x"]), headers={"Content-Length": "1"})
        while not zoom.requests:
            time.sleep(0.01)
        zoom.change_credentials(KEY, NEXT)
        edit(team, "Meetings", api_secret=NEXT)
        assert waiting.result().status_code == 401


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("name", ["Meetings", "Calls"])
def test_a_deleted_token_signs_nothing(team, opened, zoom, name, asynchronous):
    """From the deletion on each request raises, and none goes out, also where an access token would still be good."""
    auth, urls = opened("pay").auth(name), paths(zoom)
    url = urls[name == "Calls"]

    def get():
        return get_in_loop(auth, url)[0] if asynchronous else httpx.get(url, auth=auth).status_code

    assert get() == 200
    team.do("alice", lambda r: r.tokens.remove(name))
    sent = len(zoom.requests)
    for _ in range(2):
        with pytest.raises(NotFound):
            get()
    assert len(zoom.requests) == sent


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_token_deleted_in_the_middle_of_a_request(team, opened, zoom, asynchronous):
    """A deletion while an access token is got is told to the caller, and holds up nobody who comes later."""
    registry, (_, url) = opened("pay"), paths(zoom)
    auth = registry.auth("Calls")
    zoom.behave(Quirk.SLOW, path="/oauth", times=1, pause=2)  # time for the change, on a busy machine too
    with ThreadPoolExecutor(1) as pool:
        get = (lambda: get_in_loop(auth, url)[0]) if asynchronous else (lambda: httpx.get(url, auth=auth).status_code)
        waiting = pool.submit(get)
        while not zoom.requests:
            time.sleep(0.01)
        team.do("alice", lambda r: r.tokens.remove("Calls"))
        with pytest.raises(NotFound):
            waiting.result()
    assert zoom.requests == (TOKEN,)
    team.do("alice", lambda r: r.tokens.rename("Meetings", "Calls"))
    assert httpx.get(paths(zoom)[0], auth=auth).status_code == 200


def test_a_cancelled_request_holds_up_nobody(opened, zoom):
    """A task that is cancelled while it gets an access token leaves the way free for the next one."""
    auth, (_, url) = opened("pay").auth("Calls"), paths(zoom)
    zoom.behave(Quirk.SLOW, path="/oauth", times=1, pause=1.0)

    async def read():
        async with httpx.AsyncClient(auth=auth) as client:
            task = asyncio.create_task(client.get(url))
            while not zoom.requests:  # noqa: ASYNC110 - what is waited for happens in another thread
                await asyncio.sleep(0.01)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            return (await asyncio.wait_for(client.get(url), PATIENCE)).status_code

    assert asyncio.run(read()) == 200


def test_the_rules_of_resolve_hold(opened, zoom):
    """A request in the name of a process is refused where ``resolve`` would refuse it."""
    form = opened("form")
    with pytest.raises(NotPermitted):
        httpx.get(paths(zoom)[0], auth=form.auth("Answers", process="Intake"))
    with pytest.raises(NotFound):
        httpx.get(paths(zoom)[0], auth=form.auth("Wages"))


def test_a_name_has_one_auth(opened):
    """Clients that are made apart share what is kept for a name, and none of another."""
    pay = opened("pay")
    assert pay.auth("Zoom") is pay.auth("Zoom")
    assert pay.auth("Zoom") is not pay.auth("Zoom", only_global=True)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_each_request_is_one_use(team, opened, zoom, asynchronous):
    """Where every use is recorded, a request is one, however often it had to look."""
    team.do("alice", lambda r: r.policies.set("record-resolves", "every"))
    pay = opened("pay")
    auth, (url, _) = pay.auth("Meetings"), paths(zoom)
    for _ in range(3):
        assert (get_in_loop(auth, url) if asynchronous else [httpx.get(url, auth=auth).status_code]) == [200]
    pay.close()
    history = team.do("bob", lambda r: list(r.history()))
    assert len([entry for entry in history if entry.detail.get("purpose") == "resolve"]) == 3


@pytest.mark.sqlite
def test_the_event_loop_goes_on_while_a_use_is_recorded(team, opened, zoom):
    """Where a use must be recorded before it is made, a store that others hold does not hold up other tasks."""
    team.do("alice", lambda r: r.policies.set("fail-closed", "always"))
    auth, (url, _) = opened("pay").auth("Meetings"), paths(zoom)
    lock = os.open(f"{team.store}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)

    async def read():
        async with httpx.AsyncClient(auth=auth) as client:
            task = asyncio.create_task(client.get(url))
            for _ in range(30):  # a loop that is held up would not get to let go of the lock
                await asyncio.sleep(0.01)
            assert not zoom.requests
            os.close(lock)
            return (await task).status_code

    assert asyncio.run(read()) == 200


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_after_a_fork_signs_by_itself(opened, zoom):
    """A process that was forked while a thread got an access token does not wait for that thread."""
    auth, (_, url) = opened("pay").auth("Calls"), paths(zoom)
    zoom.behave(Quirk.SLOW, path="/oauth", times=1, pause=1.0)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: httpx.get(url, auth=auth).status_code)
        while not zoom.requests:
            time.sleep(0.01)
        child = os.fork()
        if child == 0:
            signal.alarm(int(PATIENCE))
            os._exit(0 if httpx.get(url, auth=auth).status_code == 200 else 1)
        assert waiting.result() == 200
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert zoom.requests.count(TOKEN) == 2
