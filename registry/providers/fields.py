"""What every provider's values have in common: which fields there may be, and what no value may look like."""

import unicodedata
from collections.abc import Mapping

from registry.errors import InvalidValue
from registry.providers.interface import Field, Provider
from registry.values import LONGEST_VALUE, Secret

# Control characters, lone surrogates, and the two characters that Unicode ends lines with.
_FORBIDDEN = {"Cc", "Cs", "Zl", "Zp"}


def check_fields(provider: Provider, values: Mapping[str, Secret]) -> None:
    """Raise ``InvalidValue`` unless these are values this provider could have; no message repeats a value."""
    known = {field.name: field for field in provider.fields}
    for name in values:
        if name not in known:
            raise InvalidValue(
                f"the provider {provider.name} has no field {name[:40]!r}", f"its fields: {', '.join(known)}"
            )
    for field in provider.fields:
        if field.name in values:
            _check_value(field, values[field.name].reveal())
        elif field.required and field.default is None:
            raise InvalidValue(f"{field.label} ({field.name}) is missing", f"{provider.label} cannot do without it")


def with_defaults(provider: Provider, values: Mapping[str, Secret]) -> dict[str, Secret]:
    """Return the values and, for every field that has none, its default where it has one."""
    defaults = {field.name: Secret(field.default) for field in provider.fields if field.default is not None}
    return {**defaults, **values}


def _check_value(field: Field, value: str) -> None:
    if not value:
        raise InvalidValue(f"{field.label} ({field.name}) is empty", "leave it out, or give it a value")
    if len(value) > LONGEST_VALUE:
        raise InvalidValue(f"{field.label} ({field.name}) is longer than {LONGEST_VALUE:,} characters")
    # What is printable contains none of these; the question is asked at once, not of each character.
    if not value.isprintable() and any(unicodedata.category(character) in _FORBIDDEN for character in value):
        raise InvalidValue(
            f"{field.label} ({field.name}) contains a line break or another control character",
            "copy it again, without what stands before and after it",
        )
    if field.pattern is not None and not field.pattern.fullmatch(value):
        raise InvalidValue(f"{field.label} ({field.name}) does not have the form it should have", field.help or None)
    if field.check is not None:
        _run_check(field, value)


def _run_check(field: Field, value: str) -> None:
    try:
        field.check(value)  # type: ignore[misc]  # the caller has looked
    except InvalidValue as error:
        message, hint = f"{field.label} ({field.name}): {error}", error.hint
        # A check may come from outside this package, and may not know that its message must not repeat a secret.
        if field.secret and value in f"{message} {hint}":
            message, hint = f"{field.label} ({field.name}) is not valid", None
        raise InvalidValue(message, hint) from None
