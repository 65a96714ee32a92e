"""Creating a token by asking, in the order of AgilePoint's screen."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import registry
from cli import output, prompts

if TYPE_CHECKING:
    from registry import Changed, Field, NewToken, Provider, Registry, Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What is known of a new token before its credentials are; ``None`` was not said."""

    name: str
    provider: "Provider"
    application: str | None
    description: str | None
    encrypted: bool | None
    expires_at: datetime | None
    test: bool
    reason: str | None

    def complete(self, fields: "Mapping[str, Secret]") -> "NewToken":
        """Return the new token; what was not said is as it usually is."""
        return registry.NewToken(
            name=self.name,
            provider=self.provider.name,
            fields=fields,
            application=self.application,
            description=self.description or "",
            encrypted=self.encrypted is not False,
            expires_at=self.expires_at,
        )


def add(opened: "Registry", draft: Draft) -> "Changed":
    """Ask for what is missing and create the token; after a refusal the credentials can be entered again."""
    opened.tokens.check_free(draft.name, app=draft.application)
    if draft.description is None:
        draft = replace(draft, description=prompts.ask("Description (empty for none): "))
    while True:
        fields = _ask_fields(draft.provider)
        if draft.encrypted is None and opened.policies.list()["allow-plaintext"] == "yes":
            draft = replace(draft, encrypted=prompts.agreed("Encrypt?", default=True))
        test = draft.test or prompts.agreed("Test the connection before storing it?", default=True)
        try:
            return opened.tokens.add(draft.complete(fields), test=test, reason=draft.reason)
        except (registry.InvalidValue, registry.ProviderRejected, registry.ProviderUndecided) as error:
            output.message(f"{error}; nothing was stored")
            if not prompts.agreed("Enter the credentials again?", default=True):
                raise


def _ask_fields(provider: "Provider") -> "dict[str, Secret]":
    answers = {field.name: _ask(field) for field in provider.fields}
    return {name: answer for name, answer in answers.items() if answer is not None}


def _ask(field: "Field") -> "Secret | None":
    """Return the value of a field, ``None`` if it may be left out and was."""
    needed = field.required and field.default is None
    extra = "" if needed else f" [{field.default or 'none'}]"
    while True:
        question = f"{field.label}{extra}: "
        answer = prompts.ask_hidden(question) if field.secret else registry.Secret(prompts.ask(question))
        if answer.reveal():
            return answer
        if not needed:
            return None
        output.message(field.help or f"{field.label} cannot be left out")
