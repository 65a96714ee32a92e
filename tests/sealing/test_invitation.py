"""The invitation: a line that says which registry is meant, and that is refused when it was mangled on its way."""

import contextlib

import pytest
from hypothesis import given, strategies as st

from registry.errors import InvalidValue
from registry.invitation import Invitation
from tests.golden.samples import INVITATION

hashes = st.binary(min_size=32, max_size=32)
invitations = st.builds(Invitation, hashes, st.integers(0, 2**64 - 1), hashes, st.integers(0, 2**32 - 1), hashes)


@given(invitations)
def test_an_invitation_comes_back_as_it_was(invitation):
    """Whatever an invitation says survives the mail, with a line break and spaces around it too."""
    assert Invitation.parse(f"  {invitation.text()}\n") == invitation


@given(at=st.integers(0, len(INVITATION.text()) - 1), put=st.sampled_from(["", "A", "-", "\u2013", "=", " ", ":", "1"]))
def test_a_mangled_invitation_is_refused_or_means_the_same(at, put):
    """No single character that is lost or exchanged makes another invitation."""
    text = INVITATION.text()
    understood = INVITATION
    with contextlib.suppress(InvalidValue):
        understood = Invitation.parse(text[:at] + put + text[at + 1 :])
    assert understood == INVITATION


@pytest.mark.parametrize(
    "text", ["", "tri2:", "tri2", "tri3" + INVITATION.text()[4:], INVITATION.text() * 2, "trm1:ada:AAAA"]
)
def test_what_is_no_invitation_is_refused(text):
    """A public line, another version, half a line or two are no invitation."""
    with pytest.raises(InvalidValue):
        Invitation.parse(text)


def test_an_invitation_without_a_log_is_called_so():
    """An invitation of the first version names no log to go on from: it is refused, with the hint to ask anew."""
    whole = "tri1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8AAAAAAAAD6AAAAAcgISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0-P"
    for text in (f"{whole}84Jvgk", "tri1" + INVITATION.text()[4:]):
        with pytest.raises(InvalidValue, match="early version, without a log") as caught:
            Invitation.parse(text)
        assert caught.value.hint == "ask for a new one"


def test_half_an_invitation_is_refused():
    """No beginning of the line will do."""
    text = INVITATION.text()
    for length in range(len(text) - 1):
        with pytest.raises(InvalidValue):
            Invitation.parse(text[:length])
