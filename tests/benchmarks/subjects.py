"""What is measured: a registry of this project, and plain ``eventsourcing`` doing the same with its own cipher."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.cryptography import AESCipher
from eventsourcing.domain import Aggregate, event

from registry import NewToken, Registry, Secret, Settings, TokenEdit, init_registry, load_settings, open_registry


def settings_in(folder: Path) -> Settings:
    """Return settings that keep everything in the folder."""
    return load_settings({"home": str(folder)}, {})


@contextmanager
def registry_in(folder: Path) -> Iterator[Registry]:
    """Found a registry in a folder that does not exist yet, and open it."""
    settings = settings_in(folder)
    init_registry(settings, name="ada")
    with open_registry(settings) as registry:
        yield registry


def new_token(number: int) -> NewToken:
    """Return a token with a description of 100 characters and credentials of usual length."""
    return NewToken(
        name=f"Token {number}", provider="zoom", fields=credentials(number), description=description(number)
    )


def credentials(number: int) -> dict[str, Secret]:
    """Return the two fields of a Zoom token: 22 and 32 characters."""
    return {"api_key": Secret(f"key{number:019}"), "api_secret": Secret(f"secret{number:026}")}


def description(number: int) -> str:
    """Return a description of 100 characters."""
    return f"{number:08} ".ljust(100, "x")


class Record(Aggregate):
    """A token as plain ``eventsourcing`` would keep it: secrets are attributes like any other."""

    @event("Created")
    def __init__(self, name: str, description: str, fields: dict[str, str]) -> None:
        self.name = name
        self.description = description
        self.fields = fields

    @event("Described")
    def describe(self, description: str) -> None:
        """Write the description anew."""
        self.description = description


class Plain(Application[UUID]):
    """The baseline, as its own documentation sets it up."""


def plain_in(path: Path) -> Plain:
    """Return the baseline on an SQLite file of its own, encrypted by its own cipher."""
    return Plain(
        env={
            "PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "SQLITE_DBNAME": str(path),
            "CIPHER_TOPIC": "eventsourcing.cryptography:AESCipher",
            "CIPHER_KEY": AESCipher.create_key(32),
        }
    )


def record(number: int) -> Record:
    """Return what ``new_token`` is, for the baseline."""
    fields = {name: value.reveal() for name, value in credentials(number).items()}
    return Record(name=f"Token {number}", description=description(number), fields=fields)


def described(number: int) -> TokenEdit:
    """Return a change of the description alone."""
    return TokenEdit(fields={}, description=description(number))


def credentialed(number: int) -> TokenEdit:
    """Return a change of both secret fields."""
    return TokenEdit(fields=credentials(number))
