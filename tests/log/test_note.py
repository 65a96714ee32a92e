"""Signed notes: the published vectors byte for byte, and everything that is no note."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, strategies as st

from registry.errors import IntegrityError, InvalidValue
from registry.log import note
from registry.log.note import Note, NoteKey, NoteSignature

FOO = NoteKey.parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
FOO_LINE = (
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
FOO_NOTE = f"This is an example message.\n\n{FOO_LINE}"
NEUMANN_SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
NEUMANN_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NEUMANN_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
TEXT = "a text\n"


def key_of(number, name=None):
    """Return a test key and what signs with it."""
    private = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
    return NoteKey(name or f"key/{number}", private.public_key().public_bytes_raw()), private.sign


def signed(text, *numbers):
    """Return a note signed by the numbered test keys."""
    return Note(text, tuple(note.sign(text, *key_of(number)) for number in numbers))


def test_the_example_of_the_specification_is_verified():
    """The published example is read, verified and written again byte for byte."""
    read = note.parse(FOO_NOTE.encode())
    assert note.verify(read, [FOO]) == (FOO,)
    assert read.text == "This is an example message.\n"
    assert read.encode().decode() == FOO_NOTE


def test_the_example_of_go_is_signed_byte_for_byte():
    """The key, key id and signature of Go's example are made again exactly."""
    _, _, name, key_id, encoded = NEUMANN_SECRET.split("+", 4)
    private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(encoded)[1:])
    key = NoteKey(name, private.public_key().public_bytes_raw())
    assert key.id.hex() == key_id
    assert note.sign(NEUMANN_TEXT, key, private.sign).line() == NEUMANN_LINE
    assert NoteKey.parse(key.text()) == key


def test_unknown_signatures_say_nothing():
    """Signatures of unknown keys, of other types or under other ids are passed over, whatever they hold."""
    key, _ = key_of(1)
    whole = signed(TEXT, 1, 2)
    others = (NoteSignature(key.name, b"\0\0\0\0", b"x"), NoteSignature("w", key.id, bytes(64)), *whole.signatures)
    assert note.verify(Note(TEXT, others), [key]) == (key,)
    with pytest.raises(IntegrityError, match="none of the known keys"):
        note.verify(signed(TEXT, 2, 3), [key])
    with pytest.raises(IntegrityError, match="none of the known keys"):
        note.verify(whole, [])


def test_a_wrong_signature_of_a_known_key_condemns_the_note():
    """One signature of a known key that fails makes the note false, also beside its right one and those of others."""
    good = signed(TEXT, 1, 2).signatures
    keys = [key_of(1)[0], key_of(2)[0]]
    for value in (bytes(64), b"short", good[1].value, good[0].value + b"\0"):
        bad = NoteSignature(good[0].name, good[0].key_id, value)
        for lines in ((bad,), (bad, good[1]), (good[1], bad), (good[0], bad)):
            with pytest.raises(IntegrityError, match="is wrong"):
                note.verify(Note(TEXT, lines), keys)


def test_a_changed_text_condemns_the_note():
    """A signature covers every byte of the text, its last line end included."""
    whole = signed(TEXT, 1)
    for text in ("A text\n", "a text \n", "a text\n\n", "a tex\n"):
        with pytest.raises(IntegrityError):
            note.verify(Note(text, whole.signatures), [key_of(1)[0]])


def test_many_signatures_are_accepted():
    """Sixteen signatures and more are read, and each known one is verified and named once."""
    numbers = list(range(1, 41))
    whole = note.parse(signed(TEXT, *numbers).encode())
    assert note.verify(whole, [key_of(n)[0] for n in numbers]) == tuple(key_of(n)[0] for n in numbers)
    twice = Note(TEXT, whole.signatures[:1] * 2)
    assert note.verify(twice, [key_of(1)[0]]) == (key_of(1)[0],)
    with pytest.raises(IntegrityError, match="more signatures"):
        note.parse(Note(TEXT, whole.signatures * 3).encode())


def test_the_last_empty_line_divides():
    """A text may hold empty lines: the signatures stand behind the last one."""
    text = "one\n\n— not a signature\n\ntwo\n"
    whole = note.parse(signed(text, 1).encode())
    assert whole.text == text
    assert note.verify(whole, [key_of(1)[0]])


def test_keys_of_one_name_and_id_are_each_tried(monkeypatch):
    """Four bytes of an id can fall together, as those of a renewed member: the key that fits has signed."""
    monkeypatch.setattr(NoteKey, "id", b"same")
    keys = [key_of(1, "n")[0], key_of(2, "n")[0]]
    for number in (1, 2):
        made = Note(TEXT, (note.sign(TEXT, *key_of(number, "n")),))
        assert note.verify(made, keys) == note.verify(made, keys[::-1]) == (keys[number - 1],)
        with pytest.raises(IntegrityError, match="the signature of n under the note is wrong"):
            note.verify(made, [keys[2 - number]])
    assert note.verify(Note(TEXT, (note.sign(TEXT, *key_of(1, "n")),)), [keys[0], keys[0]]) == (keys[0],)


LINE = signed(TEXT, 1).signatures[0].line()


@pytest.mark.parametrize(
    "data",
    [
        "",
        "\n",
        TEXT,
        f"{TEXT}\n",
        f"{TEXT}{LINE}",
        f"{TEXT}\n{LINE[:-1]}",
        f"{TEXT}\n\n{LINE}\n",
        f"{TEXT}\n{LINE}\n",
        f"{TEXT}\n{LINE}x\n",
        f"{TEXT}\n {LINE}",
        f"{TEXT}\n{LINE.replace('— ', '-- ')}",
        f"{TEXT}\n{LINE.replace('— ', '—')}",
        f"{TEXT}\n{LINE.replace('key/1', '')}",
        f"{TEXT}\n{LINE.replace('key/1', 'key+1')}",
        f"{TEXT}\n" + LINE.replace("key/1", "key\u00a01"),
        f"{TEXT}\n{LINE.replace(' key/1 ', ' key/1  ')}",
        f"{TEXT}\n{LINE.replace('=', '')}",
        f"{TEXT}\n" + LINE.replace("=", "=\t"),
        f"{TEXT}\n{LINE.replace('=', '= ')}",
        f"{TEXT}\n— key/1 AAAA\n",
        f"{TEXT}\n— key/1 AAAAAB==\n",
        f"{TEXT}\n— key/1 \n",
        f"{TEXT}\n— key/1\n",
        f"{TEXT}\n— key/1 ____________\n",
        f"{TEXT}\n— key/1 ÄAAAAAAA\n",
        f"a\ttext\n\n{LINE}",
        f"a\0text\n\n{LINE}",
        f"{TEXT}\r\n\r\n{LINE}",
        b"\xff\n\n" + LINE.encode(),
        b"\xed\xa0\x80\n\n" + LINE.encode(),
        "x" * 1_000_000 + f"\n\n{LINE}",
    ],
)
def test_what_is_no_note_is_refused(data):
    """Bytes that are not exactly a signed note are refused as damaged."""
    with pytest.raises(IntegrityError):
        note.parse(data if isinstance(data, bytes) else data.encode())


@given(st.one_of(st.binary(), st.text("— \nka/1=+A").map(lambda text: text.encode())))
def test_reading_a_note_never_fails_otherwise(data):
    """Any bytes at all are refused as damaged, or are a note that is written again in the same bytes."""
    try:
        whole = note.parse(data)
    except IntegrityError:
        return
    assert whole.encode() == data


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "example.com/foo",
        "example.com/foo+530d903a",
        "example.com/foo+530d903a+",
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/bar+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2l=",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U0=",
        "example.com foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "auditor.example.org/w1+d21d289a+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU",
        "\ud800+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    ],
)
def test_what_is_no_vkey_is_refused(vkey):
    """A vkey that is damaged, or of another kind than Ed25519, is refused."""
    with pytest.raises(InvalidValue):
        NoteKey.parse(vkey)


@pytest.mark.parametrize("text", ["", "no end", "a\ttab\n", "a\rreturn\n", "\ud800\n"])
def test_what_no_note_can_hold_is_not_signed(text):
    """A text without its last line end, or with control characters, is not signed."""
    with pytest.raises(InvalidValue):
        note.sign(text, *key_of(1))


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\nb", "a\x01b", "\udcff"])
def test_a_key_has_a_name_that_notes_can_hold(name):
    """A key's name is not empty and holds no space, control character or plus sign."""
    with pytest.raises(InvalidValue):
        NoteKey(name, bytes(32))
