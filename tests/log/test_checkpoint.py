"""Checkpoints and proofs as texts: the worked example byte for byte, and ours."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, strategies as st
from msgspec import structs

from registry.errors import IntegrityError
from registry.log import checkpoint, merkle, note
from registry.log.checkpoint import Checkpoint, TreeHead
from registry.log.note import Note, NoteKey
from registry.log.proof_text import LogProof

EXAMPLE_ORIGIN = "registry.example.com/audit"
EXAMPLE_VKEY = "registry.example.com/audit+3fda9c9c+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c"
EXAMPLE = (
    "registry.example.com/audit\n5\nfKo0Xb2JKmZFTWxlEuo8PqPw0+whvj/C4jdXBf049nI=\n\n"
    "— registry.example.com/audit P9qcnEY6dcajKF05Ilk1u6mAiw2Vtr1NKQLWU173lykKsnVg70irz2Z9QmfRpRo1NGpjx9f5Qi2wEExMF8Pp"
    "fEdaRQE=\n"
    "— auditor.example.org/w1 0h0omgAAAABqgaU4brf/YXF7v0nCVgssTK9Cip6H9tFS8pM7dMECbl/atU9aeNFuy8I2j+8cYeok1KAeOFaarodye"
    "1+FCduCNdrhCA==\n"
)
EXAMPLE_CONSISTENCY = [
    "V8efTzGuApxdS9MLBzwnyU35NDiytGl+Hh7vW8A5SkE=",
    "YcoROfaBWEHVuvLQ0tm9nf7pfImN1ve6DAqpQe5sAes=",
    "WkdmL9ijF9lgSaP59HxV3GfKZgUbqjaD27GbL+CaB7A=",
    "SFM123z+yWXxX/dF/GJcQdXqJkaTaTAWWCj3PdS2iFQ=",
]
EXAMPLE_INCLUSION = [EXAMPLE_CONSISTENCY[1], EXAMPLE_CONSISTENCY[2], EXAMPLE_CONSISTENCY[3]]
EXAMPLE_LEAVES = [merkle.leaf_hash(b"entry %d" % number) for number in range(5)]
EXAMPLE_TREE = merkle.append(lambda level, index: b"", 0, EXAMPLE_LEAVES)
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
PUBLIC = PRIVATE.public_key().public_bytes_raw()
MEMBER = "0123456789abcdef" * 2
OTHER_MEMBER = "f" * 32
REGISTRY = bytes(range(32))
OURS = Checkpoint(
    registry=REGISTRY,
    size=12,
    root=b"\x11" * 32,
    commit=7,
    present=b"\x22" * 32,
    roster_length=3,
    roster_head=b"\x33" * 32,
    shredded=5,
)
OUR_TEXT = f"""token-registry/{REGISTRY.hex()}
12
ERERERERERERERERERERERERERERERERERERERERERE=
commit 7
present IiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiI=
roster-length 3
roster-head MzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzM=
shredded 5
"""


def get(level, index):
    """Return a stored node of the worked example's tree."""
    return EXAMPLE_TREE.nodes[level, index]


def in_base64(hashes):
    """Return hashes as the texts hold them."""
    return [base64.b64encode(hashed).decode() for hashed in hashes]


def test_the_worked_example_is_made_byte_for_byte():
    """Tree, text, key and signature of the worked example come out exactly."""
    key = NoteKey(EXAMPLE_ORIGIN, PUBLIC)
    head = TreeHead(EXAMPLE_ORIGIN, EXAMPLE_TREE.size, EXAMPLE_TREE.root)
    made = Note(head.text(), (note.sign(head.text(), key, PRIVATE.sign),))
    assert key.text() == EXAMPLE_VKEY
    assert made.encode().decode() == EXAMPLE[: EXAMPLE.index("— auditor")]


def test_the_worked_example_is_verified_beside_a_cosignature():
    """A checkpoint with a witness's cosignature under it is verified by the log's key, and kept byte for byte."""
    read = note.parse(EXAMPLE.encode())
    head = checkpoint.verify_foreign(read, EXAMPLE_ORIGIN, [NoteKey.parse(EXAMPLE_VKEY)])
    assert head == TreeHead(EXAMPLE_ORIGIN, 5, EXAMPLE_TREE.root)
    assert read.encode().decode() == EXAMPLE
    with pytest.raises(IntegrityError):
        checkpoint.verify_foreign(read, "another.example.com", [NoteKey.parse(EXAMPLE_VKEY)])


def test_the_worked_consistency_proof_is_made_exactly():
    """The proof from three to five entries is the published one, and it is accepted."""
    proof = merkle.consistency_proof(get, 3, 5)
    assert in_base64(proof) == EXAMPLE_CONSISTENCY
    merkle.verify_consistency(3, 5, proof, merkle.root_at(get, 3), EXAMPLE_TREE.root)


def test_the_worked_proof_of_an_entry_is_made_byte_for_byte():
    """The tlog-proof of entry 2 is the published one; read back, it proves the entry."""
    hashes = tuple(merkle.inclusion_proof(get, 2, 5))
    made = LogProof(2, hashes, note.parse(EXAMPLE.encode())).encode()
    assert made.decode() == "\n".join(["c2sp.org/tlog-proof@v1", "index 2", *EXAMPLE_INCLUSION, "", EXAMPLE])
    read = LogProof.parse(made)
    assert read.encode() == made
    head = checkpoint.verify_foreign(read.signed, EXAMPLE_ORIGIN, [NoteKey.parse(EXAMPLE_VKEY)])
    merkle.verify_inclusion(EXAMPLE_LEAVES[2], read.index, head.size, read.hashes, head.root)


def test_a_proof_may_carry_something_extra():
    """The optional extra line is kept, and is not taken for anything else."""
    made = LogProof(0, (), note.parse(EXAMPLE.encode()), extra=b"anything").encode()
    assert made.startswith(b"c2sp.org/tlog-proof@v1\nextra YW55dGhpbmc=\nindex 0\n\nregistry.example.com")
    assert LogProof.parse(made).extra == b"anything"
    assert LogProof.parse(made.replace(b"extra YW55dGhpbmc=", b"extra ")).extra == b""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tlog-proof@v1", "tlog-proof@v2"),
        ("index 2", "index 02"),
        ("index 2", "index -2"),
        ("index 2", "index ٢"),
        ("index 2", "index 9223372036854775808"),
        ("index 2", "index"),
        ("index 2\n", ""),
        ("index 2", "extra !\nindex 2"),
        ("index 2", "extra QQ==\nextra QQ==\nindex 2"),
        ("index 2", "index 2\nextra QQ=="),
        (EXAMPLE_INCLUSION[0], EXAMPLE_INCLUSION[0][:-1]),
        (EXAMPLE_INCLUSION[0], "QQ=="),
        (EXAMPLE_INCLUSION[0], f"{EXAMPLE_INCLUSION[0]} "),
        (EXAMPLE_INCLUSION[0], "\n".join(EXAMPLE_INCLUSION[:1] * 64)),
        (EXAMPLE_INCLUSION[0], "x" * 1_000_000),
        (EXAMPLE, ""),
        (EXAMPLE, f"\n{EXAMPLE[: EXAMPLE.index('—')]}"),
    ],
)
def test_what_is_no_proof_is_refused(old, new):
    """A proof that is not written exactly as the specification says is refused as damaged."""
    good = LogProof(2, tuple(merkle.inclusion_proof(get, 2, 5)), note.parse(EXAMPLE.encode())).encode().decode()
    assert old in good
    with pytest.raises(IntegrityError):
        LogProof.parse(good.replace(old, new, 1).encode())


def test_our_checkpoints_have_this_form():
    """A checkpoint's text holds origin, size and root, and a line for each further part in a fixed order."""
    assert OURS.text() == OUR_TEXT
    assert Checkpoint.parse(OUR_TEXT) == OURS
    assert TreeHead.parse(OUR_TEXT).extensions[0] == "commit 7"


def test_a_checkpoint_is_signed_by_its_author():
    """A member's signature stands under its own name, is verified by its key, and says which member it is."""
    made = checkpoint.sign(OURS, MEMBER, PUBLIC, PRIVATE.sign)
    assert made.signatures[0].name == f"token-registry/{REGISTRY.hex()}/{MEMBER}"
    read = note.parse(made.encode())
    verified = checkpoint.verify(read, REGISTRY, {OTHER_MEMBER: bytes(32), MEMBER: PUBLIC})
    assert (verified.checkpoint, verified.signers) == (OURS, (MEMBER,))
    assert note.verify(read, [NoteKey.parse(checkpoint.member_key(REGISTRY, MEMBER, PUBLIC).text())])


def test_a_checkpoint_is_made_again_from_what_is_stored():
    """The note is the same byte for byte when it is put together from its parts and the bare signature."""
    made = checkpoint.sign(OURS, MEMBER, PUBLIC, PRIVATE.sign)
    assert checkpoint.restored(OURS, MEMBER, PUBLIC, made.signatures[0].value) == made


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("registry", bytes(32)),
        ("size", 13),
        ("root", bytes(32)),
        ("commit", 8),
        ("present", bytes(32)),
        ("roster_length", 4),
        ("roster_head", bytes(32)),
        ("shredded", 6),
    ],
)
def test_a_checkpoint_vouches_for_each_of_its_parts(field, value):
    """A signature does not hold for a checkpoint that differs in any part."""
    made = checkpoint.sign(OURS, MEMBER, PUBLIC, PRIVATE.sign)
    changed = structs.replace(OURS, **{field: value})
    other = checkpoint.restored(changed, MEMBER, PUBLIC, made.signatures[0].value)
    with pytest.raises(IntegrityError):
        checkpoint.verify(other, changed.registry, {MEMBER: PUBLIC})


def test_a_checkpoint_of_someone_else_is_refused():
    """Another registry's checkpoint, a stranger's, and one under another member's name are refused."""
    made = checkpoint.sign(OURS, MEMBER, PUBLIC, PRIVATE.sign)
    for registry, members in (
        (bytes(32), {MEMBER: PUBLIC}),
        (REGISTRY, {}),
        (REGISTRY, {OTHER_MEMBER: PUBLIC}),
        (REGISTRY, {MEMBER: bytes(range(32))}),
    ):
        with pytest.raises(IntegrityError):
            checkpoint.verify(made, registry, members)


def test_a_key_name_says_which_member():
    """The author is read from the key's name, which holds the registry and the member's id and nothing else."""
    name = checkpoint.member_key(REGISTRY, MEMBER, PUBLIC).name
    assert checkpoint.member_of(REGISTRY, name) == MEMBER
    for wrong in ("", MEMBER, f"{name}/", f"{name}0", name.upper(), f"{checkpoint.origin(bytes(32))}/{MEMBER}"):
        with pytest.raises(IntegrityError):
            checkpoint.member_of(REGISTRY, wrong)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("token-registry/00", "token-registry/0"),
        ("token-registry/00", "token-registry/ 00"),
        ("token-registry/00010203040506070809", "token-registry/0001020304050607080 9"),
        ("0a0b", "0A0B"),
        ("token-registry/", ""),
        ("\n12\n", "\n012\n"),
        ("\n12\n", "\n+12\n"),
        ("\n12\n", "\n1_2\n"),
        ("\n12\n", "\n12 \n"),
        ("\n12\n", "\n١٢\n"),
        ("\n12\n", f"\n{2**63}\n"),
        ("\n12\n", f"\n{'9' * 5000}\n"),
        ("\n12\n", "\n\n12\n"),
        ("ERE=", "ERF="),
        ("ERE=", "ERE"),
        ("ERERERE=", "ERE="),
        ("commit 7", "commit 07"),
        ("commit 7", "commit  7"),
        ("commit 7", "commit 7 "),
        ("commit 7", "Commit 7"),
        ("commit 7\n", ""),
        ("commit 7\n", "commit 7\ncommit 7\n"),
        ("commit 7", "present 7"),
        ("roster-length 3", "roster-length -3"),
        ("IiI=\n", "IiI=\n\n"),
        ("MzM=\n", "MzM="),
        ("MzM=\n", "MzM=\nmore 1\n"),
        ("MzM=\n", "MzM=\n\n"),
        ("shredded 5\n", ""),
        ("shredded 5\n", "shredded 5"),
        ("shredded 5\n", "shredded 5\n\n"),
        ("shredded 5\n", "shredded 5\nmore 1\n"),
        ("shredded 5", "shredded 05"),
        ("shredded 5", "shredded -1"),
        ("shredded 5", "shredded five"),
        ("shredded 5", f"shredded {2**63}"),
        ("roster-head ", "roster-head\t"),
        (OUR_TEXT, ""),
        (OUR_TEXT, "\n"),
    ],
)
def test_a_checkpoint_has_one_form(old, new):
    """A text that differs from how a checkpoint is written is refused, however it might be meant."""
    assert old in OUR_TEXT
    with pytest.raises(IntegrityError):
        Checkpoint.parse(OUR_TEXT.replace(old, new, 1))


@given(
    st.builds(
        Checkpoint,
        registry=st.binary(min_size=32, max_size=32),
        size=st.integers(0, 2**63 - 1),
        root=st.binary(min_size=32, max_size=32),
        commit=st.integers(0, 2**63 - 1),
        present=st.binary(min_size=32, max_size=32),
        roster_length=st.integers(0, 2**63 - 1),
        roster_head=st.binary(min_size=32, max_size=32),
        shredded=st.integers(0, 2**63 - 1),
    )
)
def test_every_checkpoint_is_read_back(made):
    """Whatever a checkpoint holds, its text says it again."""
    assert Checkpoint.parse(made.text()) == made


@given(st.text("token-registry/0\n123 commitpresent=A"))
def test_reading_a_text_never_fails_otherwise(text):
    """Any text is refused as damaged, or is a log's and is written again in the same characters."""
    try:
        assert TreeHead.parse(text).text() == text
    except IntegrityError:
        return


@pytest.mark.parametrize(
    "text", ["\n5\nROOT\n", "o\n5\nROOT\n\n", "o\n5\nROOT\nmore\n\nmore\n", "o\n5\nROOT", "o\n5\n"]
)
def test_a_checkpoint_of_any_log_has_no_empty_line(text):
    """Origin and extension lines of another log's checkpoint are free, but none is empty, and the last one ends."""
    with pytest.raises(IntegrityError):
        TreeHead.parse(text.replace("ROOT", "ERERERERERERERERERERERERERERERERERERERERERE="))


def test_another_registry_is_called_so():
    """A checkpoint that its member signed for another registry is refused as that, not as unsigned."""
    made = checkpoint.sign(OURS, MEMBER, PUBLIC, PRIVATE.sign)
    with pytest.raises(IntegrityError, match="another registry's"):
        checkpoint.verify(made, bytes(32), {MEMBER: PUBLIC})
