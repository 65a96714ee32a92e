"""Trees and proofs: the public vectors, and every small tree."""

import json
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from registry.errors import IntegrityError, InvalidValue
from registry.log import merkle

PROBES = json.loads((Path(__file__).parent / "vectors" / "merkle_probes.json").read_text(encoding="utf-8"))
VALUES = [bytes.fromhex(value) for value in PROBES["values"]]
CT_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [merkle.leaf_hash(b"leaf %d" % number) for number in range(1100)]
GROWN = merkle.append(lambda level, index: pytest.fail("an empty tree has no nodes"), 0, LEAVES)
ROOTS = [merkle.root_of(LEAVES[:size]) for size in range(132)]
OTHER = merkle.leaf_hash(b"no leaf of this tree")


def get(level, index):
    """Return a stored node of the grown tree."""
    return GROWN.nodes[level, index]


def definition(leaves):
    """Return the root word for word as RFC 6962 section 2.1 defines it."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else merkle.EMPTY_ROOT
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return merkle.node_hash(definition(leaves[:k]), definition(leaves[k:]))


def refused(verify, *arguments):
    """Say whether a verification raises what it is to raise."""
    try:
        verify(*arguments)
    except IntegrityError:
        return True
    return False


def spoiled(proof):
    """Give every way to flip a bit of, drop, insert, double or exchange the elements of a proof."""
    for place, element in enumerate(proof):
        flipped = (int.from_bytes(element, "big") ^ 1 << element[0]).to_bytes(32, "big")
        yield [*proof[:place], flipped, *proof[place + 1 :]]
        yield [*proof[:place], *proof[place + 1 :]]
        yield [*proof[:place], element[:-1], *proof[place + 1 :]]
        yield [*proof[:place], element, *proof[place:]]
        for other in range(place):
            swapped = list(proof)
            swapped[place], swapped[other] = swapped[other], swapped[place]
            yield swapped
    for place in range(len(proof) + 1):
        yield [*proof[:place], OTHER, *proof[place:]]
        yield [*proof[:place], b"", *proof[place:]]


def test_hashes_are_those_of_rfc_6962():
    """Leaves, nodes and the empty tree are hashed as the public vectors say."""
    assert merkle.EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert merkle.leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert merkle.leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    node = merkle.node_hash(b"N123", b"N456").hex()
    assert node == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"


def test_the_classic_trees_have_their_published_roots():
    """The trees over the first one to eight reference leaves of Certificate Transparency have the published roots."""
    leaves = [merkle.leaf_hash(bytes.fromhex(leaf)) for leaf in CT_LEAVES]
    assert [merkle.root_of(leaves[: size + 1]).hex() for size in range(8)] == CT_ROOTS
    grown = merkle.append(get, 0, leaves)
    assert [merkle.root_at(lambda *node: grown.nodes[node], size + 1).hex() for size in range(8)] == CT_ROOTS


@pytest.mark.parametrize("probe", PROBES["inclusion"])
def test_the_public_inclusion_probes(probe):
    """Each public inclusion proof is accepted or refused as its publisher says."""
    index, size, root, leaf, proof, _, good = probe
    arguments = (VALUES[leaf], index, size, [VALUES[one] for one in proof], VALUES[root])
    assert refused(merkle.verify_inclusion, *arguments) != good


@pytest.mark.parametrize("probe", PROBES["consistency"])
def test_the_public_consistency_probes(probe):
    """Each public consistency proof is accepted or refused as its publisher says."""
    old_size, size, old_root, root, proof, _, good = probe
    arguments = (old_size, size, [VALUES[one] for one in proof], VALUES[old_root], VALUES[root])
    assert refused(merkle.verify_consistency, *arguments) != good


def test_every_way_to_a_root_leads_to_the_definition():
    """The root over all leaves, the root from stored nodes and the grown root are the definition's."""
    for size in range(132):
        assert ROOTS[size] == definition(LEAVES[:size])
        assert merkle.root_at(get, size) == ROOTS[size]
        assert merkle.append(get, size, []).root == ROOTS[size]


@given(st.lists(st.integers(0, 40), max_size=12))
def test_appending_in_any_batches_gives_the_same_tree(batches):
    """However leaves come in batches, the stored nodes are the complete subtrees, each stored once, and none else."""
    nodes, size, root = {}, 0, merkle.EMPTY_ROOT
    for batch in batches:
        grown = merkle.append(lambda *node: nodes[node], size, LEAVES[size : size + batch])
        assert not nodes.keys() & grown.nodes.keys()
        nodes.update(grown.nodes)
        size, root = grown.size, grown.root
    levels = merkle.complete_levels(LEAVES[:size])
    assert size == sum(batches)
    assert root == merkle.root_of(LEAVES[:size])
    assert nodes == {(level, i): node for level, row in enumerate(levels) for i, node in enumerate(row)}


def coming_into_being(size):
    """Give the complete subtrees of a tree in the order in which its leaves complete them."""
    for leaf in range(size):
        level = 0
        yield 0, leaf
        while (leaf + 1) % 2 ** (level + 1) == 0:
            level += 1
            yield level, leaf >> level


def test_nodes_are_numbered_in_the_order_in_which_they_come():
    """Numbers run from 0 without gaps, the smaller subtree first, and a larger tree begins with a smaller one's."""
    order = list(coming_into_being(len(LEAVES)))
    assert [merkle.node_number(*node) for node in order] == list(range(len(order)))
    assert list(GROWN.nodes) == order
    assert order[:8] == [(0, 0), (0, 1), (1, 0), (0, 2), (0, 3), (1, 1), (2, 0), (0, 4)]
    for size in range(132):
        assert merkle.nodes_in(size) == len(list(coming_into_being(size)))


@given(st.integers(0, 2**63 - 1), st.integers(0, 62))
def test_the_numbers_of_a_leaf_begin_where_the_tree_before_it_ends(leaf, level):
    """In trees of any size a leaf comes next after all nodes before it, and what it completes directly behind it."""
    assert merkle.node_number(0, leaf) == merkle.nodes_in(leaf)
    index = leaf >> level
    assert merkle.node_number(level, index) == merkle.node_number(0, (index + 1 << level) - 1) + level
    completed = ((leaf + 1) & -(leaf + 1)).bit_length()
    assert merkle.nodes_in(leaf + 1) == merkle.nodes_in(leaf) + completed


def test_a_frontier_has_the_root_of_its_leaves_and_forgets_them():
    """However many leaves went by, a frontier gives the tree's root and holds one node for each complete subtree."""
    tree = merkle.Frontier()
    for size in range(len(LEAVES)):
        if size < len(ROOTS):
            assert tree.root() == ROOTS[size]
        assert len(tree._subtrees) == len(merkle.complete_subtrees(size)) == size.bit_count()
        tree.add(LEAVES[size])
    assert tree.root() == GROWN.root


def test_appending_and_proving_read_few_nodes():
    """Appending a leaf and making a proof read at most a number of nodes that grows with the tree's height."""
    read = []

    def counting(level, index):
        read.append((level, index))
        return get(level, index)

    for size in range(1, len(LEAVES)):
        for act in (
            lambda size=size: merkle.append(counting, size, [OTHER]),
            lambda size=size: merkle.inclusion_proof(counting, size // 3, size),
            lambda size=size: merkle.consistency_proof(counting, size // 3 + 1, size),
        ):
            read.clear()
            act()
            assert len(read) <= 2 * size.bit_length()


@pytest.mark.parametrize("size", [*range(1, 65), 100, 127, 128, 129, 130])
def test_every_inclusion_proof_is_accepted_and_every_spoiled_one_refused(size):
    """The proof for each leaf holds for it alone; with an element changed, dropped, added or moved it does not hold."""
    for index in range(size):
        proof = merkle.inclusion_proof(get, index, size)
        merkle.verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])
        wrong = merkle.verify_inclusion
        assert all(refused(wrong, LEAVES[index], index, size, bad, ROOTS[size]) for bad in spoiled(proof))
        assert all(
            refused(wrong, LEAVES[index], i, size, proof, ROOTS[size]) for i in range(-1, size + 1) if i != index
        )
        assert refused(wrong, OTHER, index, size, proof, ROOTS[size])
        assert refused(wrong, LEAVES[index], index, size, proof, OTHER)


@pytest.mark.parametrize("size", [*range(1, 65), 100, 127, 128, 129, 130])
def test_every_consistency_proof_is_accepted_and_every_spoiled_one_refused(size):
    """The proof from each smaller tree holds for it alone; changed, cut, extended or reordered it does not hold."""
    for old in range(1, size + 1):
        proof = merkle.consistency_proof(get, old, size)
        roots = (ROOTS[old], ROOTS[size])
        merkle.verify_consistency(old, size, proof, *roots)
        wrong = merkle.verify_consistency
        assert all(refused(wrong, old, size, bad, *roots) for bad in spoiled(proof))
        assert refused(wrong, old, size, proof, OTHER, ROOTS[size])
        assert refused(wrong, old, size, proof, ROOTS[old], OTHER)
        assert refused(wrong, 0, size, proof, merkle.EMPTY_ROOT, ROOTS[size])
        assert old == size or refused(wrong, size, old, proof, ROOTS[size], ROOTS[old])
        assert all(refused(wrong, m, size, proof, *roots) for m in range(1, size) if m != old)


def test_every_single_bit_of_a_proof_counts():
    """In the trees of up to nine leaves no bit of any proof can be changed."""
    for size in range(1, 10):
        for index in range(size):
            proof = merkle.inclusion_proof(get, index, size)
            for bit in range(256 * len(proof)):
                spoilt = list(proof)
                spoilt[bit // 256] = (int.from_bytes(proof[bit // 256], "big") ^ 1 << bit % 256).to_bytes(32, "big")
                assert refused(merkle.verify_inclusion, LEAVES[index], index, size, spoilt, ROOTS[size])


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (merkle.inclusion_proof, (0, 0)),
        (merkle.inclusion_proof, (5, 5)),
        (merkle.inclusion_proof, (-1, 5)),
        (merkle.consistency_proof, (0, 5)),
        (merkle.consistency_proof, (6, 5)),
        (merkle.root_at, (-1,)),
    ],
)
def test_no_proof_is_made_of_what_is_not_there(make, arguments):
    """A proof of a leaf that is not there, from an empty tree or to an earlier tree is refused as a wrong value."""
    with pytest.raises(InvalidValue):
        make(get, *arguments)


def test_a_refusal_says_what_is_wrong_with_a_proof():
    """A proof is consumed exactly: one that is too long or too short is called so, whatever its hashes come to."""
    proof, path = merkle.inclusion_proof(get, 3, 8), merkle.consistency_proof(get, 3, 8)
    for bad, words in (([*proof, OTHER], "longer"), (proof[:-1], "shorter")):
        with pytest.raises(IntegrityError, match=words):
            merkle.verify_inclusion(LEAVES[3], 3, 8, bad, ROOTS[8])
    for bad, words in (([*path, OTHER], "longer"), (path[:-1], "shorter"), ([], "empty")):
        with pytest.raises(IntegrityError, match=words):
            merkle.verify_consistency(3, 8, bad, ROOTS[3], ROOTS[8])
