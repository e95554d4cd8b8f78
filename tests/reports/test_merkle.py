"""The tree against the definition of RFC 6962 section 2.1, written here a second time, and known roots."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import merkle

INPUTS = [
    bytes.fromhex(text)
    for text in [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ]
]
"""the leaves of Certificate Transparency's own reference tree"""
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def mth(entries: list[bytes]) -> bytes:
    """MTH of section 2.1, word for word."""
    if not entries:
        return hashlib.sha256().digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\0" + entries[0]).digest()
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return hashlib.sha256(b"\1" + mth(entries[:k]) + mth(entries[k:])).digest()


def entries(size: int) -> list[bytes]:
    return [str(number).encode() for number in range(size)]


def leaves(size: int) -> list[bytes]:
    return [merkle.leaf_hash(entry) for entry in entries(size)]


def test_the_empty_tree_is_the_hash_of_nothing() -> None:
    assert merkle.root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(("size", "known"), ROOTS.items())
def test_roots_are_those_of_the_reference_tree(size: int, known: str) -> None:
    assert merkle.root(merkle.leaf_hash(leaf) for leaf in INPUTS[:size]).hex() == known


@pytest.mark.parametrize("size", range(70))
def test_roots_are_those_of_the_definition(size: int) -> None:
    assert merkle.root(leaves(size)) == mth(entries(size))


def test_every_leaf_is_proven_at_its_place_and_at_no_other() -> None:
    for size in range(1, 34):
        tree = mth(entries(size))
        held = leaves(size)
        for index in range(size):
            path = merkle.inclusion_path(held, index)
            for other in range(size):
                proven = merkle.is_included(held[index], index=other, size=size, path=path, tree=tree)
                assert proven == (other == index)


def test_a_path_cut_lengthened_or_changed_proves_nothing() -> None:
    held, tree = leaves(13), mth(entries(13))
    for index in range(13):
        path = merkle.inclusion_path(held, index)
        wrong = [
            path[:-1],
            path[1:],
            (*path, held[0]),
            (held[0], *path),
            path[::-1],
            (path[0][:31], *path[1:]),
        ]
        wrong += [(*path[:at], held[12], *path[at + 1 :]) for at in range(len(path)) if path[at] != held[12]]
        for bad in wrong:
            if bad != path:
                assert not merkle.is_included(held[index], index=index, size=13, path=bad, tree=tree)


@pytest.mark.parametrize(("index", "size"), [(-1, 1), (1, 1), (0, 0), (5, 5)])
def test_a_place_outside_the_tree_proves_nothing(index: int, size: int) -> None:
    leaf = merkle.leaf_hash(b"0")
    assert not merkle.is_included(leaf, index=index, size=size, path=(), tree=leaf)
    with pytest.raises(ValueError, match="no leaf"):
        merkle.inclusion_path([leaf] * size, index)


def test_every_earlier_tree_is_proven_a_prefix() -> None:
    for new in range(1, 34):
        held = leaves(new)
        for old in range(new + 1):
            path = merkle.consistency_path(held, old)
            trees = {"old_tree": mth(entries(old)), "new_tree": mth(entries(new))}
            assert merkle.is_consistent(old=old, new=new, path=path, **trees)
            if old:
                forked = mth([*entries(old)[:-1], b"forked"])
                assert not merkle.is_consistent(old=old, new=new, path=path, **{**trees, "old_tree": forked})
            assert not merkle.is_consistent(old=old, new=new, path=(*path, held[0]), **trees)
            if path:
                assert not merkle.is_consistent(old=old, new=new, path=path[:-1], **trees)


@given(
    st.integers(0, 2**40), st.integers(0, 2**40), st.lists(st.binary(min_size=31, max_size=33), max_size=45)
)
def test_any_claimed_proof_ends_in_yes_or_no(old: int, new: int, path: list[bytes]) -> None:
    leaf = merkle.leaf_hash(b"")
    assert not merkle.is_included(leaf, index=old, size=new, path=path, tree=b"\0" * 32)
    assert not merkle.is_consistent(old=old, new=new, path=path, old_tree=leaf, new_tree=b"\0" * 32)
