"""Tokens' values as a program is given them: under which names, and in which environment.

A field is a variable: its name in capitals, behind the prefix that was asked for. What could not be told apart, or
would take the place of what every program relies on, is refused.
"""

import os
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from msgspec import Struct

from registry.errors import InvalidValue, RegistryError
from registry.providers import catalogue
from registry.service.disclosing import Asked, Resolved
from registry.values import Secret

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_OURS = ("TOKEN_REGISTRY_", "_TOKEN_REGISTRY_")
_BASIC = frozenset({"HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "PWD", "SHELL", "TERM", "TMPDIR", "TZ", "USER"})
_HINT = "give it a prefix, or ask only for the fields that are needed"


class Wanted(Asked, frozen=True, kw_only=True):
    """A token that a program is to be given; its variables begin with ``prefix``."""

    prefix: str = ""


class HandedOut(Struct, frozen=True):
    """What a program is given: the values by the names of its variables, and the tokens that they are of."""

    values: Mapping[str, Secret]
    tokens: tuple[Resolved, ...]

    def environment(
        self,
        inherited: Mapping[str, str],
        *,
        pristine: bool = False,
        places: Mapping[str, str | os.PathLike[str]] | None = None,
    ) -> dict[bytes, bytes]:
        """Return the environment of a program, as ``os.execve`` and ``subprocess`` take it.

        It inherits all but the registry's own variables, or, where ``pristine``, little more than ``PATH`` and
        ``HOME``. ``places`` are the files in which the values lie: the variables hold these instead. Values are in
        UTF-8, whatever the locale.
        """
        kept = {os.fsencode(name): os.fsencode(value) for name, value in inherited.items() if _passes(name, pristine)}
        if places is None:
            own = {name: value.reveal().encode() for name, value in self.values.items()}
        else:
            own = {name: os.fsencode(places[name]) for name in self.values}
        return kept | {name.encode(): value for name, value in own.items()}


def _passes(name: str, pristine: bool) -> bool:  # noqa: FBT001 - the question itself
    return _is_basic(name) if pristine else not name.startswith(_OURS)


def _is_basic(name: str) -> bool:
    return name in _BASIC or name.startswith("LC_")


def variables(wanted: Sequence[Wanted], resolved: Sequence[Resolved], *, as_files: bool) -> Mapping[str, Secret]:
    """Return the values of tokens by the names of their variables; ``InvalidValue`` if they cannot be told apart.

    Without ``as_files`` each value must be one that an environment can hold.
    """
    found: dict[str, Secret] = {}
    owners: dict[str, str] = {}
    for asked, token in zip(wanted, resolved, strict=True):
        declared = _declared(token.provider)
        for field, value in token.fields.items():
            owner = f"{field!r} of {asked.name!r}"
            name = _variable(asked.prefix, field, owner, known=field in declared)
            if name in found:
                raise InvalidValue(f"the fields {owners[name]} and {owner} would both be {name}", _HINT)
            _check_value(value, owner, as_files=as_files)
            found[name], owners[name] = value, owner
    return MappingProxyType(found)


def _declared(provider: str) -> set[str]:
    try:
        return {field.name for field in catalogue.load(provider).fields}
    except RegistryError:
        return set()  # the package that brought the provider is not installed here


def _variable(prefix: str, field: str, owner: str, *, known: bool) -> str:
    if prefix and (not _NAME.match(prefix) or prefix.startswith(_OURS)):
        raise InvalidValue(
            f"variables cannot begin with {prefix[:40]!r}", "letters, digits and '_', not TOKEN_REGISTRY_"
        )
    name = prefix + field.upper()
    if not _NAME.match(name):
        raise InvalidValue(f"the field {owner} cannot be a variable: its name would be {name[:80]!r}", _HINT)
    if _is_basic(name) or name.startswith(_OURS):
        raise InvalidValue(f"the field {owner} would take the place of the variable {name}", _HINT)
    if not known and not prefix:
        # Whoever fills a token would otherwise choose any variable of whoever runs a program: LD_PRELOAD, say.
        raise InvalidValue(f"the field {owner} is none that its provider is known to have here", _HINT)
    return name


def _check_value(value: Secret, owner: str, *, as_files: bool) -> None:
    try:
        data = value.reveal().encode()
    except UnicodeEncodeError:
        raise InvalidValue(f"the value of the field {owner} is no text", "change it") from None
    if not as_files and b"\x00" in data:
        raise InvalidValue(f"the value of the field {owner} holds a NUL, which no environment can", "use files")
