"""What a member's database role may do with the store: no more than the member's role in the registry needs."""

from registry.service.places import place_of
from registry.settings import Settings


def store_grants(settings: Settings, role: str, name: str) -> str:
    """Return the SQL by which the owner of the store's schema lets a database role work as a member of a role does.

    It takes away whatever else the database role may do there, and can be repeated. Nothing is opened or asked for it.
    ``InvalidValue`` for a store in a file, and for what is no role or cannot be the name of a database role.
    """
    return place_of(settings).grants(role, name)
