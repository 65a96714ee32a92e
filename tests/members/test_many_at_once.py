"""Honest members at once, in many processes and threads, with clocks that differ: never a false alarm."""

import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from msgspec import structs

from registry import ClockBehind, RegistryError, TokenEdit, open_registry
from registry.log import merkle, present
from registry.store.following import Follower
from registry.store.sqlite import SQLiteStore
from tests.members.team import TOKENS, fields
from tests.store.commits import frontier

WORKER = """
import sys
import time
from datetime import timedelta
from pathlib import Path
from registry import Conflict, NewToken, Surroundings, TokenEdit, open_registry
from tests.members.team import NOON, Team, fields

root, name, minutes, rounds = sys.argv[1:]
team = Team(Path(root))
start = time.time()
clock = lambda: NOON + timedelta(days=1, minutes=int(minutes), seconds=time.time() - start)
around = Surroundings(clock=clock, host=f"host-of-{name}", client="tests/1")

def writes(registry, number):
    mine = f"{name} {number}"
    key = f"{name}-{number}"
    registry.tokens.add(NewToken(name=mine, provider="zoom", fields=fields(key)))
    registry.tokens.edit("Mail", TokenEdit(fields=fields(key)))
    registry.tokens.edit("Zoom", TokenEdit(fields={}, description=mine), app="Payroll")
    if number % 3 == 0:
        registry.tokens.rename(mine, f"{mine} renamed")
    if number % 3 == 1:
        registry.tokens.remove(mine)
    try:
        if number % 4 == 2:
            registry.members.rotate("global")
        if number % 4 == 3:
            registry.policies.set("allow-plaintext", "yes" if number % 8 == 3 else "no")
    except Conflict:
        pass

def uses(registry, number):
    assert registry.resolve("Mail")["api_key"].reveal()
    registry.tokens.reveal("Zoom", "api_key", app="Payroll")
    registry.tokens.explain("Zoom")
    registry.log.proof(number)

def reads(registry, number):
    history = [entry.position for entry in registry.history()]
    assert history == list(range(len(history)))
    assert len(list(registry.tokens.list())) >= 6
    registry.tokens.show("Mail")
    registry.members.list()
    registry.log.consistency(1, len(history))

work = {"alice": writes, "carol": writes, "pay": uses, "bob": reads}[name]
kept = open_registry(team.settings(name), surroundings=around)
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(rounds)):
    work(kept, number)
    with open_registry(team.settings(name), surroundings=around) as fresh:
        fresh.whoami()
        if name in ("pay", "bob"):
            work(fresh, number)
kept.close()
"""


def started(team, name, minutes, rounds):
    """Start a member's process and return it when it has the registry open."""
    command = [sys.executable, "-c", WORKER, str(team.root), name, str(minutes), str(rounds)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, env={"PYTHONPATH": ":".join(sys.path)}, **pipes)
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    return process


def check_whole(team):
    """Check that log, nodes and present are those of what is stored, and that nothing is wrong anywhere."""
    registry = team.pin("alice").registry_id
    store, log = SQLiteStore.open(team.store), Follower(registry)
    with store.snapshot():
        log.advance(store)
        commits = list(store.commits())
        leaves = [logged.leaf(registry).hashed() for logged in store.events()]
        levels = merkle.complete_levels(leaves)
        nodes = {merkle.node_number(level, i): node for level, some in enumerate(levels) for i, node in enumerate(some)}
        assert store.nodes(range(2 * len(leaves))) == nodes
        assert frontier(store, log.head) == log.frontier(store)
        now = present.recompute((row.name_tag, row.digest(registry)) for row in store.rows())
        assert (store.units(range(present.UNITS)), log.head.present) == (now.units, now.root)
    store.close()
    assert log.problems == []
    assert [made.number for made in commits] == list(range(len(commits)))
    assert [made.at for made in commits] == sorted(made.at for made in commits)


def test_processes_with_clocks_minutes_apart_write_and_read_in_peace(team):
    """Two admins, an app and an auditor at once, from four minutes behind to four ahead, raise and see no alarm."""
    processes = [
        started(team, name, minutes, rounds)
        for name, minutes, rounds in (("alice", 4, 8), ("carol", -4, 8), ("pay", 2, 8), ("bob", -3, 6))
    ]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    check_whole(team)
    entries = team.do("bob", lambda r: list(r.history()))
    assert {entry.actor for entry in entries} == {"alice", "carol", "pay"}
    names = {view.name for view in team.do("carol", lambda r: list(r.tokens.list(only_global=True)))}
    left = {
        f"{who} {n}{' renamed' if n % 3 == 0 else ''}" for who in ("alice", "carol") for n in range(8) if n % 3 != 1
    }
    assert names == {name for name, app in TOKENS if app is None} | left


def test_threads_read_while_one_writes(team, opened):
    """Each thread with a registry of its own: nobody sees half a commit, and nobody sees damage."""
    done, failures = threading.Event(), []

    def read(name, work):
        with team.open(name) as registry:
            while not done.is_set():
                try:
                    work(registry)
                except RegistryError as error:
                    failures.append((name, error))
                    return

    works = {
        "bob": lambda r: (list(r.tokens.list()), list(r.history()), r.log.checkpoint()),
        "pay": lambda r: (r.resolve("Mail"), r.tokens.explain("Zoom")),
        "form": lambda r: r.resolve("Zoom"),
        "carol": lambda r: (r.tokens.show("Mail"), r.applications.list(), r.members.list()),
    }
    threads = [threading.Thread(target=read, args=pair) for pair in works.items()]
    alice = opened("alice")
    for thread in threads:
        thread.start()
    for number in range(12):
        alice.tokens.edit("Mail", TokenEdit(fields=fields(f"key-{number}")))
        if number % 4 == 3:
            alice.members.rotate()
    done.set()
    for thread in threads:
        thread.join(timeout=60)
    assert failures == []
    check_whole(team)


def test_whoever_has_the_registry_open_follows_whatever_others_commit(team, opened):
    """Through every kind of commit by others, an open registry goes on, and says what they made of it."""
    bob, pay, carol = opened("bob"), opened("pay"), opened("carol")
    dora = team.new_identity("dora").public
    steps = [
        lambda r: r.tokens.edit("Mail", TokenEdit(fields=fields("one"))),
        lambda r: r.tokens.rename("Zoom", "Zoom Two"),
        lambda r: r.applications.register("Sales", "form"),
        lambda r: r.members.add("dora", "auditor", dora),
        lambda r: r.members.rotate(),
        lambda r: r.members.change_role("till", "auditor"),
        lambda r: r.applications.remove("Survey"),
        lambda r: r.members.remove("dora"),
        lambda r: r.policies.set("allow-plaintext", "yes"),
        lambda r: r.tokens.remove("Zoom Two"),
    ]
    for number, step in enumerate(steps):
        team.do("alice", step)
        assert pay.resolve("Mail")["api_key"].reveal() == "one"
        for reader in (bob, carol):
            size, positions = reader.log.checkpoint().size, [entry.position for entry in reader.history()]
            assert positions == list(range(max(size, len(positions))))
        carol.tokens.edit("Mail", TokenEdit(fields={}, description=f"after {number}"))
        assert bob.tokens.show("Mail").description == f"after {number}"
    check_whole(team)


@pytest.mark.parametrize("minutes", [-9, -1, 1, 9, 60 * 24])
def test_a_clock_that_is_off_writes_no_log_that_others_refuse(team, minutes):
    """Ahead or a little behind, a commit is no older than the one before it, and everybody follows it."""
    clock = team.around.clock
    off = structs.replace(team.around, clock=lambda: clock() + timedelta(minutes=minutes))
    with open_registry(team.settings("carol"), surroundings=off) as registry:
        registry.tokens.edit("Mail", TokenEdit(fields=fields("mine")))
        registry.members.rotate("global")
    assert team.do("bob", lambda r: r.tokens.show("Mail").revision) == 2
    if minutes < 60:
        team.do("alice", lambda r: r.tokens.edit("Mail", TokenEdit(fields=fields("theirs"))))
    else:
        with pytest.raises(ClockBehind):
            team.do("alice", lambda r: r.tokens.edit("Mail", TokenEdit(fields=fields("theirs"))))
    check_whole(team)
