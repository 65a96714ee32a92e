"""A token under random commands: what the facts add up to is what the commands meant."""

from datetime import timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from registry.domain import token_rules as rules
from registry.domain.token_rules import Change
from registry.errors import Conflict
from tests.domain.facts import AT, BY_ALICE, BY_BOB, LATER, created, sealed

contexts = st.sampled_from([BY_ALICE, BY_BOB])
texts = st.sampled_from(["", "one", "two\nlines"])
providers = st.sampled_from(["zoom", "zoom-oauth"])
names = st.sampled_from(["Zoom", "zoom", "Zoom 2"])
expiries = st.sampled_from([None, LATER, LATER + timedelta(days=1)])
boxes = st.builds(sealed, public=st.sampled_from([{}, {"url": "x"}]), box=st.binary(min_size=1, max_size=3))
tests = st.none() | st.just(("accepted", ""))
changes = st.builds(
    Change,
    description=st.none() | texts,
    provider=st.none() | providers,
    credentials=st.none() | boxes,
    encrypted=st.none() | st.booleans(),
    expiry=st.none() | st.tuples(expiries),
    tested=tests,
)


class TokenLife(RuleBasedStateMachine):
    """A token beside a plain dictionary that is told the same commands."""

    @initialize(name=names, description=texts, tested=tests)
    def create(self, name, description, tested):
        """Begin with a new token."""
        self.events = created(name=name, description=description, tested=tested)
        self.token = rules.folded(None, self.events)
        self.model = {"name": name, "description": description, "provider": "zoom", "encrypted": True}
        self.model |= {"expires_at": None, "deleted": False}
        self.revision = self.box_revision = 1

    def _commit(self, events, *, counts):
        self.events += events
        self.token = rules.folded(self.token, events)
        self.revision += counts

    @precondition(lambda self: not self.token.deleted)
    @rule(context=contexts, change=changes)
    def edit(self, context, change):
        """Change the token, as the model says."""
        wishes = {"description": change.description, "provider": change.provider, "encrypted": change.encrypted}
        wished = {name: value for name, value in wishes.items() if value is not None}
        wished |= {"expires_at": change.expiry[0]} if change.expiry else {}
        differs = self.model | wished != self.model or change.credentials is not None
        events = rules.edit(context, self.token, change)
        assert bool(events) == (differs or change.tested is not None)
        self._commit(events, counts=differs)
        self.model |= wished
        self.box_revision = self.revision if change.credentials else self.box_revision

    @precondition(lambda self: not self.token.deleted)
    @rule(context=contexts, name=names)
    def rename(self, context, name):
        """Give it a name."""
        self._commit(rules.rename(context, self.token, name), counts=name != self.model["name"])
        self.model["name"] = name

    @precondition(lambda self: not self.token.deleted)
    @rule(context=contexts, outcome=st.sampled_from(["accepted", "rejected"]))
    def record_test(self, context, outcome):
        """Record a test, which is no change."""
        self._commit(rules.record_test(context, self.token, outcome, ""), counts=False)
        assert self.token.last_test.revision == self.revision

    @precondition(lambda self: not self.token.deleted)
    @rule(context=contexts)
    def delete(self, context):
        """End it."""
        self._commit(rules.delete(context, self.token), counts=True)
        self.model["deleted"] = True

    @precondition(lambda self: self.token.deleted)
    @rule(context=contexts)
    def nothing_follows(self, context):
        """After its end a token takes no further fact."""
        with pytest.raises(Conflict):
            rules.folded(self.token, rules.record_test(context, self.token, "accepted", ""))

    @invariant()
    def state_is_the_fold_of_the_events(self):
        """Replaying all facts gives the state that was led step by step, which is the model."""
        assert rules.folded(None, self.events) == self.token
        assert {name: getattr(self.token, name) for name in self.model} == self.model

    @invariant()
    def revisions_count_the_commits_that_changed_it(self):
        """Only commits that change the token count; the box belongs to the one that brought it."""
        assert (self.token.revision, self.token.box_revision) == (self.revision, self.box_revision)
        assert self.token.created_at == AT

    @invariant()
    def versions_are_dense(self):
        """Facts are numbered from 1 without a gap, and their revisions never fall."""
        assert [event.originator_version for event in self.events] == list(range(1, len(self.events) + 1))
        revisions = [event.revision for event in self.events]
        assert revisions == sorted(revisions)


TestTokenLife = TokenLife.TestCase
