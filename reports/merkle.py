"""The Merkle tree of RFC 6962 section 2.1: roots, inclusion proofs, consistency proofs."""

import hashlib
from collections.abc import Iterable, Sequence

EMPTY = hashlib.sha256().digest()
"""root of the tree without leaves"""
WIDTH = 32
"""bytes of a hash"""


def leaf_hash(data: bytes) -> bytes:
    """Hash one entry."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees into one."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaves: Iterable[bytes]) -> bytes:
    """Return the tree's root, given the leaf hashes in order; keeps one hash a level."""
    stack: list[tuple[int, bytes]] = []
    for leaf in leaves:
        level, node = 0, leaf
        while stack and stack[-1][0] == level:
            node = node_hash(stack.pop()[1], node)
            level += 1
        stack.append((level, node))
    if not stack:
        return EMPTY
    node = stack.pop()[1]
    while stack:
        node = node_hash(stack.pop()[1], node)
    return node


def inclusion_path(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the audit path of leaf `index`, from the leaf upwards (section 2.1.1)."""
    if not 0 <= index < len(leaves):
        message = f"no leaf {index} in a tree of {len(leaves)}"
        raise ValueError(message)
    if len(leaves) == 1:
        return ()
    split = _split(len(leaves))
    if index < split:
        return (*inclusion_path(leaves[:split], index), root(leaves[split:]))
    return (*inclusion_path(leaves[split:], index - split), root(leaves[:split]))


def is_included(leaf: bytes, *, index: int, size: int, path: Sequence[bytes], tree: bytes) -> bool:
    """Whether `path` leads from the leaf to the root `tree` (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size or len(tree) != WIDTH or any(len(node) != WIDTH for node in path):
        return False
    here, last, node = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if here & 1 or here == last:
            node = node_hash(sibling, node)
            while not here & 1 and here:
                here >>= 1
                last >>= 1
        else:
            node = node_hash(node, sibling)
        here >>= 1
        last >>= 1
    return last == 0 and node == tree


def consistency_path(leaves: Sequence[bytes], old: int) -> tuple[bytes, ...]:
    """Return the proof that the tree of the first `old` leaves is a prefix of the whole (section 2.1.2)."""
    if not 0 <= old <= len(leaves):
        message = f"no tree of {old} in one of {len(leaves)}"
        raise ValueError(message)
    return _subproof(leaves, old, whole=True) if old else ()


def is_consistent(*, old: int, new: int, path: Sequence[bytes], old_tree: bytes, new_tree: bytes) -> bool:
    """Whether `path` proves the old tree a prefix of the new one (RFC 9162 section 2.1.4.2)."""
    if not 0 <= old <= new or any(len(node) != WIDTH for node in (*path, old_tree, new_tree)):
        return False
    if old == new:
        return not path and old_tree == new_tree
    if old == 0:
        return not path and old_tree == EMPTY
    # A tree whose size is a power of two is itself the first node of the proof.
    nodes = [old_tree, *path] if old & (old - 1) == 0 else list(path)
    if not nodes:
        return False
    here, last = old - 1, new - 1
    while here & 1:
        here >>= 1
        last >>= 1
    first = second = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return False
        if here & 1 or here == last:
            first, second = node_hash(node, first), node_hash(node, second)
            while not here & 1 and here:
                here >>= 1
                last >>= 1
        else:
            second = node_hash(second, node)
        here >>= 1
        last >>= 1
    return last == 0 and first == old_tree and second == new_tree


def _subproof(leaves: Sequence[bytes], old: int, *, whole: bool) -> tuple[bytes, ...]:
    if old == len(leaves):
        return () if whole else (root(leaves),)
    split = _split(len(leaves))
    if old <= split:
        return (*_subproof(leaves[:split], old, whole=whole), root(leaves[split:]))
    return (*_subproof(leaves[split:], old - split, whole=False), root(leaves[:split]))


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
