"""Which providers there are: the built-in ones, and those that other packages bring along.

The two built-in ones are found without reading the metadata of every installed package, which would cost each command
more than the rest of its start. They come first: a package cannot put its own code where a built-in provider's
credentials go.
"""

import importlib
import re
from typing import TYPE_CHECKING, cast

from registry.errors import InvalidValue, RegistryError
from registry.providers.interface import Field, Provider

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_GROUP = "token_registry.providers"
_BUILT_IN = {
    "zoom": ("registry.providers.zoom", "ZOOM"),
    "zoom-oauth": ("registry.providers.zoom_oauth", "ZOOM_OAUTH"),
}
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?\Z")


def names() -> list[str]:
    """Return the names of all providers: the built-in ones, then those from other packages, each in order."""
    return [*_BUILT_IN, *sorted({entry.name for entry in _from_outside()})]


def load(name: str) -> Provider:
    """Return the provider of this name.

    Raises ``InvalidValue`` if there is none, and ``RegistryError`` if the package that offers it does not work.
    """
    if name in _BUILT_IN:
        module, attribute = _BUILT_IN[name]
        return cast("Provider", getattr(importlib.import_module(module), attribute))
    entries = [entry for entry in _from_outside() if entry.name == name]
    if not entries:
        raise InvalidValue(f"there is no provider {name[:40]!r}", f"known providers: {', '.join(names())}")
    if len(entries) > 1:
        raise RegistryError(
            f"more than one installed package offers the provider {name!r}: {', '.join(map(_package, entries))}",
            "uninstall all but one of them",
        )
    return _load_entry(entries[0])


def _from_outside() -> list["EntryPoint"]:
    from importlib.metadata import entry_points  # noqa: PLC0415  # slow, and only needed for other packages

    found = entry_points(group=_GROUP)
    return [entry for entry in found if entry.name not in _BUILT_IN and _NAME.match(entry.name)]


def _load_entry(entry: "EntryPoint") -> Provider:
    try:
        found = entry.load()
    except Exception as error:  # somebody else's module runs here and may raise anything at all
        raise RegistryError(
            f"the provider {entry.name!r} of the package {_package(entry)} cannot be loaded: {type(error).__name__}",
            "update or uninstall that package",
        ) from error
    if not _is_provider(found, entry.name):
        raise RegistryError(
            f"what the package {_package(entry)} offers as {entry.name!r} is not a provider of that name",
            "update or uninstall that package",
        )
    return cast("Provider", found)


def _is_provider(found: object, name: str) -> bool:
    fields = getattr(found, "fields", None)
    return (
        getattr(found, "name", None) == name
        and isinstance(getattr(found, "label", None), str)
        and isinstance(fields, tuple)
        and all(isinstance(field, Field) for field in fields)
        and callable(getattr(found, "test", None))
        and callable(getattr(found, "auth", None))
    )


def _package(entry: "EntryPoint") -> str:
    return entry.dist.name if entry.dist is not None else entry.module
