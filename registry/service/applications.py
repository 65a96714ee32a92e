"""Use cases of applications: register, rename, remove, list."""

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct, structs

from registry.domain import roster_rules as rules, token_rules as tokens
from registry.domain.events import Event
from registry.domain.roster import GLOBAL, application_audience
from registry.domain.roster_events import ApplicationRegistered, ApplicationRemoved, ApplicationRenamed
from registry.errors import Conflict
from registry.sealing import application_label, grants
from registry.service.ledger import Ledger
from registry.service.rotation import exposed, rotate
from registry.service.usage import usage_of_application
from registry.values import ApplicationId, fold, parse_application_name
from registry.views.usage import Usage


class ApplicationView(Struct, frozen=True):
    """An application as people and programs are shown it."""

    id: str
    name: str
    kind: str
    tokens: int
    """How many tokens it has."""


class Applications:
    """The applications of a registry, as its member may use them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def list(self) -> list[ApplicationView]:
        """Return the applications by name."""
        self._ledger.require_reader()
        with self._ledger.glance():
            counts = Counter(row.application for row in self._ledger.rows.all())
            views = [self._view(application, counts) for application in self._ledger.directory().applications]
        return sorted(views, key=lambda view: fold(view.name))

    def show(self, name: str) -> ApplicationView:
        """Return an application; ``NotFound`` if there is none of that name."""
        self._ledger.require_reader()
        with self._ledger.glance():
            application = self._ledger.directory().find_application(name)
            return self._view(application, Counter(row.application for row in self._ledger.rows.all()))

    def register(self, name: str, kind: str, *, reason: str | None = None) -> ApplicationView:
        """Register an application, process-based or form-based; ``AlreadyExists`` if the name is taken."""
        ledger = self._ledger
        ledger.require_admin()
        name, kind = parse_application_name(name), rules.check_kind(kind)
        with ledger.turn(reason) as turn:
            self._check_free(name)
            application = ApplicationId(ledger.surroundings.new_id())
            generation, key = grants.new_generation(ledger.registry, application_audience(application))
            event = ApplicationRegistered(
                **ledger.roster_facts(turn),
                changed=("name", "kind"),
                generations=(generation,),
                grants=tuple(grants.grant(ledger.registry, key, admin) for admin in ledger.roster.admins()),
                application=application,
                kind=kind,
                label=application_label.seal(ledger.registry, application, key, name),
                name=name,
            )
            ledger.commit(turn, [event])
        return ApplicationView(application, name, kind, 0)

    def rename(self, name: str, new_name: str, *, reason: str | None = None) -> bool:
        """Give an application another name; return whether that changed anything."""
        ledger = self._ledger
        ledger.require_admin()
        new_name = parse_application_name(new_name)
        with ledger.turn(reason) as turn:
            application = ledger.directory().find_application(name)
            if ledger.directory().applications[application] == new_name:
                return False
            self._check_free(new_name, but=application)
            key = ledger.keyring.current(application_audience(application))
            label = application_label.seal(ledger.registry, application, key, new_name)
            facts = ledger.roster_facts(turn) | {"changed": ("name",)}
            event = ApplicationRenamed(**facts, application=application, label=label, name=new_name)
            ledger.commit(turn, [event])
        return True

    def doomed(self, name: str) -> Sequence[str]:
        """Return the names of the tokens that removing the application would destroy."""
        self._ledger.require_reader()
        with self._ledger.glance():
            application = self._ledger.directory().find_application(name)
            return sorted(self._ledger.token(row).name for row in self._ledger.rows.of(application))

    def usage(self, name: str) -> Mapping[str, Sequence[Usage]]:
        """Return who is recorded to use each of its tokens, by their names; those without a use are left out."""
        return usage_of_application(self._ledger, name)

    def remove(self, name: str, *, expected: Sequence[str] | None = None, reason: str | None = None) -> Sequence[str]:
        """Remove an application with all its tokens, in one commit; return the names of those.

        ``Conflict`` if they are not the ``expected`` ones any more.
        """
        ledger = self._ledger
        ledger.require_admin()
        with ledger.turn(reason) as turn:
            application = ledger.directory().find_application(name)
            own = ledger.rows.of(application)
            doomed = [ledger.to_change(ledger.token(row)) for row in own]
            names = sorted(token.name for token in doomed)
            if expected is not None and sorted(expected) != names:
                raise Conflict("the application's tokens have changed meanwhile", "look at them again, then decide")
            events: list[Event] = [event for token in doomed for event in tokens.delete(turn.context, token)]
            last_name = ledger.directory().applications[application]
            wish = ApplicationRemoved(**ledger.roster_facts(turn), application=application, name=last_name)
            after = rules.evolve(ledger.roster, wish)
            if len(after.members) < len(ledger.roster.members):
                # Its members held the global key too.
                rotation = rotate(ledger, after, [GLOBAL])
                known = exposed(ledger, after, {GLOBAL})
                events.append(structs.replace(wish, exposed=known, **rotation.facts()))
                rows, replaced = rotation.rows, [*own, *rotation.replaced]
            else:
                events.append(wish)
                rows, replaced = (), own
            gone = [token.id for token in doomed]
            ledger.commit(turn, events, rows=rows, replaced=replaced, dropped=gone, shred=bool(gone or rows))
        return names

    def _view(self, application: ApplicationId, counts: Mapping[ApplicationId | None, int]) -> ApplicationView:
        ledger = self._ledger
        name, kind = ledger.directory().applications[application], ledger.roster.application(application).kind
        return ApplicationView(application, name, kind, counts.get(application, 0))

    def _check_free(self, name: str, but: ApplicationId | None = None) -> None:
        folded = {app: fold(known) for app, known in self._ledger.directory().applications.items()}
        rules.check_name_free(folded, fold(name), but)
