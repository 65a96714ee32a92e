"""What tokens were called at the point of the history that a reading has reached."""

from dataclasses import dataclass, field

from registry.domain.events import Event
from registry.domain.token_events import TokenCreated, TokenRenamed
from registry.errors import IntegrityError
from registry.values import ApplicationId
from registry.views.directory import Directory

NAMING_TOPICS = (TokenCreated.TOPIC, TokenRenamed.TOPIC)


@dataclass(slots=True)
class Names:
    """The names of members and applications, and of each token the name it has at the point that was reached."""

    directory: Directory
    tokens: dict[str, tuple[str, ApplicationId | None]] = field(default_factory=dict)
    partial: bool = False
    """Whether naming events may be left out, so that a token can be met under a later name before its first."""

    def follow(self, event: Event) -> None:
        """Go on behind an event; those of ``NAMING_TOPICS`` must not be left out, unless the reading is ``partial``."""
        if isinstance(event, TokenCreated):
            self.tokens[event.originator_id] = (event.name, event.application)
        elif isinstance(event, TokenRenamed):
            if event.originator_id not in self.tokens and not self.partial:
                raise IntegrityError(f"the history of the token {event.originator_id} has lost its beginning")
            _, application = self.tokens.get(event.originator_id, (None, None))
            self.tokens[event.originator_id] = (event.name, application)
