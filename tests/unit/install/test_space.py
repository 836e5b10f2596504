"""Which place is named when a disk is full."""

from __future__ import annotations

from pathlib import Path

from builder.install.space import Store, no_space, prefix_store


def test_a_copy_that_found_no_space_names_where_it_was_going() -> None:
    """Not the cache that it came from: making room there helps nobody."""
    cache = Store(path=Path("/home/ada/pkgs"), remedy="RATTLER_CACHE_DIR")
    prefix = prefix_store(Path("/data/envs/ml"))
    reason = "failed to copy file from /home/ada/pkgs/python/lib/x to /data/envs/ml/lib/x: No space left on device"
    assert str(no_space(reason, [prefix, cache])).startswith("the disk is full at /data/envs/ml:")
    unpacking = "failed to unpack /home/ada/pkgs/python/lib/x: No space left on device"
    assert str(no_space(unpacking, [prefix, cache])).startswith("the disk is full at /home/ada/pkgs:")


def test_of_folders_in_each_other_the_innermost_is_named() -> None:
    outer, inner = Store(path=Path("/tmp"), remedy="TMPDIR"), prefix_store(Path("/tmp/envs/ml"))
    reason = "cannot write /tmp/envs/ml/lib/x: No space left on device"
    assert no_space(reason, [outer, inner]).hint == inner.remedy
