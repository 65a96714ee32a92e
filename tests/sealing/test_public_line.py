"""The public line: mailed, pasted, mangled."""

import base64
import string

import pytest

from registry.errors import InvalidValue
from registry.sealing.identity import Identity, PublicIdentity
from tests.sealing.specimens import ALICE

LINE = ALICE.public.line()
CHARACTERS = string.ascii_letters + string.digits + "-_+/=:. \t\n\x00é€🔑\ud800"


def parsed(line):
    """Return the identity of a line, or ``None`` if it was refused."""
    try:
        return PublicIdentity.parse(line)
    except InvalidValue:
        return None


def test_a_line_reads_back():
    """A line gives the name and keys it was made of; space around a paste does not matter."""
    assert PublicIdentity.parse(LINE) == ALICE.public
    assert PublicIdentity.parse(f"  {LINE}\r\n") == ALICE.public
    assert LINE.startswith("trm1:alice:")
    assert LINE.isascii()


def test_every_changed_character_is_caught():
    """A line with one other character is refused, or is still the same identity; never another one."""
    for at, original in enumerate(LINE):
        for character in set(CHARACTERS) - {original}:
            assert parsed(LINE[:at] + character + LINE[at + 1 :]) in (None, ALICE.public)


def test_most_changes_are_refused_outright():
    """Only spellings of the same bytes pass: ``-`` and ``_`` as ``+`` and ``/``, and the spare bits of the end."""
    encoded = LINE.index(":", 5) + 1
    for at in range(encoded, len(LINE) - 1):
        for character in set(string.ascii_letters) - {LINE[at]}:
            assert parsed(LINE[:at] + character + LINE[at + 1 :]) is None


@pytest.mark.parametrize("length", [1, 2, 5])
def test_missing_and_doubled_characters_are_caught(length):
    """A run of characters that was lost or doubled on the way is caught."""
    for at in range(len(LINE) - length + 1):
        assert parsed(LINE[:at] + LINE[at + length :]) is None
        doubled = LINE[: at + length] + LINE[at : at + length] + LINE[at + length :]
        assert parsed(doubled) is None


def test_exchanged_neighbours_are_caught():
    """Two neighbours that changed places are caught, unless they are equal."""
    for at in range(len(LINE) - 1):
        swapped = LINE[:at] + LINE[at + 1] + LINE[at] + LINE[at + 2 :]
        assert parsed(swapped) == (ALICE.public if swapped == LINE else None)


@pytest.mark.parametrize(
    "mangled",
    [
        "",
        ":",
        "::",
        "trm1",
        "trm1:alice",
        "trm1:alice:",
        "trm2" + LINE[4:],
        LINE.replace("alice", "Alice"),
        LINE.replace("alice:", "alice :"),
        LINE[:40] + "\n" + LINE[40:],
        f"<{LINE}>",
        f'"{LINE}"',
        LINE.upper(),
        LINE + " " + LINE,
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA== alice",
        "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
    ],
    ids=repr,
)
def test_mangled_pastes_are_refused(mangled):
    """Wrapped, quoted, shortened and foreign lines are invalid values."""
    with pytest.raises(InvalidValue):
        PublicIdentity.parse(mangled)


def test_a_name_no_member_can_have_is_refused_even_with_its_checksum():
    """A line is well formed only if its name is, whatever its maker's program allowed."""
    bad = Identity("not a name", b"S" * 32, b"P" * 32).public.line()
    with pytest.raises(InvalidValue):
        PublicIdentity.parse(bad)


def test_a_line_holds_no_private_key():
    """The line is made of the public keys and a checksum."""
    data = base64.urlsafe_b64decode(LINE.rsplit(":", 1)[1] + "=")
    assert data[:64] == ALICE.public.keys.signing + ALICE.public.keys.sealing
    assert len(data) == 68
