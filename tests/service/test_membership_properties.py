"""A team under random changes of its membership: who holds which key stays what the roles say."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings as effort, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from registry import Identity, NewToken, Secret, init_registry, load_settings, open_registry
from registry.errors import AlreadyExists, Conflict, NotFound, NotPermitted
from registry.sealing.keyring import Keyring

NAMES = ["alice", "bob", "carol", "dave"]
APPS = ["Payroll", "Desk"]
names = st.sampled_from(NAMES)
apps = st.sampled_from(APPS)
roles = st.sampled_from([("admin", None), ("auditor", None), ("app", "Payroll"), ("app", "Desk")])
REFUSED = (AlreadyExists, NotFound, NotPermitted, Conflict)


class Team(RuleBasedStateMachine):
    """A registry of alice's, in which she admits, changes, renews and removes the others, and rotates."""

    @initialize()
    def found(self):
        """Begin with a registry that has an application and a token."""
        self.folder = tempfile.mkdtemp()
        settings = load_settings({"home": self.folder}, {})
        init_registry(settings, name="alice", recovery=Path(self.folder) / "recovery")
        self.registry = open_registry(settings)
        self.ledger = self.registry._ledger
        self.identities = {}
        self.registry.applications.register("Payroll", "process")
        fields = {"api_key": Secret("key"), "api_secret": Secret("secret")}
        for app in (None, "Payroll"):
            self.registry.tokens.add(NewToken(name="Zoom", application=app, provider="zoom", fields=fields))

    def teardown(self):
        """Let go of the store."""
        if hasattr(self, "registry"):
            self.registry.close()
            shutil.rmtree(self.folder)

    def attempt(self, action, *arguments, **named):
        """Do what may be refused; then nothing happened."""
        version = self.ledger.roster.version
        try:
            action(*arguments, **named)
        except REFUSED:
            assert self.ledger.roster.version == version
            return False
        return True

    @rule(name=names, role=roles)
    def admit(self, name, role):
        """Admit somebody."""
        fresh = Identity.generate(name)
        if self.attempt(self.registry.members.add, name, role[0], fresh.public, app=role[1]):
            self.identities[self.ledger.directory().find_member(name)] = fresh

    @rule(name=names, role=roles)
    def change_role(self, name, role):
        """Give somebody another role."""
        self.attempt(self.registry.members.change_role, name, role[0], app=role[1])

    @rule(name=names)
    def renew(self, name):
        """Give somebody other keys."""
        fresh = Identity.generate(name)
        if self.attempt(self.registry.members.renew, name, fresh.public):
            self.identities[self.ledger.directory().find_member(name)] = fresh

    @rule(name=names)
    def remove(self, name):
        """Remove somebody."""
        self.attempt(self.registry.members.remove, name)

    @rule(app=apps)
    def register(self, app):
        """Register an application."""
        self.attempt(self.registry.applications.register, app, "process")

    @rule(app=apps)
    def unregister(self, app):
        """Remove an application with its tokens and members."""
        self.attempt(self.registry.applications.remove, app)

    @rule(audience=st.sampled_from([None, "audit", "global", *APPS]))
    def rotate(self, audience):
        """Rotate an audience, or all."""
        self.attempt(self.registry.members.rotate, audience)

    @invariant()
    def an_admin_remains(self):
        """Somebody is always there who can admit others."""
        assert not hasattr(self, "ledger") or self.ledger.roster.admins()

    @invariant()
    def present_keys_are_held_by_those_whose_due_they_are(self):
        """Present keys open for the members of their audiences, and were never granted to anybody else."""
        if not hasattr(self, "ledger"):
            return
        roster = self.ledger.roster
        for audience in roster.generations:
            present, due = roster.current(audience), {member.id for member in roster.audience_members(audience)}
            held = {g.member for g in roster.grants if (g.audience, g.number) == (audience, present.number)}
            # The fingerprint key is never rotated: who was an admin once has been granted it for ever.
            assert held == due or (audience == "fingerprint" and held >= due)
            for member in due & self.identities.keys():
                ring = Keyring(self.ledger.registry, self.identities[member], member, roster)
                assert ring.current(audience) == self.ledger.keyring.current(audience)

    @invariant()
    def who_may_read_history_reads_all_of_it(self):
        """Every generation of the history's key opens for each of its readers, however late it came."""
        if not hasattr(self, "ledger"):
            return
        roster = self.ledger.roster
        for member in roster.audience_members("audit"):
            if member.id in self.identities:
                ring = Keyring(self.ledger.registry, self.identities[member.id], member.id, roster)
                assert [ring.key("audit", g.number).number for g in roster.generations["audit"]]

    @invariant()
    def credentials_open_under_the_present_keys(self):
        """After any rotation the current tokens are found by name and open."""
        if hasattr(self, "registry"):
            assert self.registry.resolve("Zoom")["api_secret"].reveal() == "secret"


def test_membership_keeps_its_rules():
    """Whatever is done in whatever order, keys are held by those whose due they are, and by nobody else."""
    run_state_machine_as_test(Team, settings=effort(max_examples=20, stateful_step_count=15, deadline=None))
