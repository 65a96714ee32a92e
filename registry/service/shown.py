"""A token as people and programs are shown it, with the names that its ids stand for."""

from registry.domain.token import Token
from registry.errors import RegistryError
from registry.providers import catalogue
from registry.service.ledger import Ledger
from registry.views.current import TokenView, token_view
from registry.views.directory import Directory


def shown(ledger: Ledger, token: Token, names: Directory | None = None) -> TokenView:
    """Return the view of a token, with the names of today where no others are given."""
    return token_view(token, names or ledger.directory(), _known_fields(token.provider))


def _known_fields(provider: str) -> dict[str, bool]:
    try:
        return {field.name: field.secret for field in catalogue.load(provider).fields}
    except RegistryError:
        return {}  # the package that brought the provider is not installed here; the token itself can be shown
