# SPDX-License-Identifier: Apache-2.0
"""Compressed memory for what is swapped out to a disk (zswap).

Of zram, a swap device in use, nothing can be changed but a limit of its memory; when that is reached the
kernel compresses in vain for minutes before it ends a program, so that it is not offered.
"""

from functools import partial

from jepa.actions.catalogue import ActionType, TargetKind, Tier, ValueType

_action = partial(
    ActionType,
    family="compressed_swap",
    target=TargetKind.MACHINE,
    tier=Tier.TUNE,
    dwell_s=5.0,
)

ACTIONS = (
    _action(
        "zswap.enabled",
        type=ValueType.CHOICE,
        choices=("on", "off"),
        summary="whether pages on their way to the swap disk are kept compressed in memory first",
        description=(
            "A compressed page takes a third of its size and comes back in microseconds, so that a "
            "machine that swaps stays usable; what has not been wanted for long is written to the disk. "
            "It costs CPU time, and memory up to zswap.max_pool_percent. Switched off, it keeps what it "
            "holds until that is wanted or freed. It needs a swap disk or file: swap on zram is "
            "compressed already."
        ),
        example="jepa act zswap.enabled on --for 1d",
    ),
    _action(
        "zswap.max_pool_percent",
        type=ValueType.PERCENT,
        minimum=5,
        maximum=50,
        summary="share of memory that zswap may hold",
        description=(
            "When it is reached the pages that were not wanted for longest go to the disk, until "
            "zswap.accept_threshold_percent of it is left. More keeps more out of the disk; what zswap "
            "holds is no longer there for programs, so that too much makes the machine swap more."
        ),
        example="jepa act zswap.max_pool_percent 30% --for 1d",
    ),
    _action(
        "zswap.accept_threshold_percent",
        type=ValueType.PERCENT,
        minimum=50,
        maximum=100,
        summary="how far zswap empties once it is full before it takes pages again",
        description=(
            "In percent of zswap.max_pool_percent. While it is full new pages go to the disk directly. "
            "A lower value makes that pause longer and less frequent; 100 takes a page as soon as there "
            "is room for it, which under steady pressure moves a page to the disk for each that comes."
        ),
        example="jepa act zswap.accept_threshold_percent 80% --for 1d",
    ),
    _action(
        "zswap.shrinker_enabled",
        type=ValueType.CHOICE,
        choices=("on", "off"),
        summary="whether zswap moves cold pages to the disk before it is full",
        description=(
            "on lets the kernel write out what was not wanted for long when memory is short, so that "
            "the pool holds what matters. It writes more to the disk, which wears out a flash disk "
            "sooner. off fills the pool up to its limit first."
        ),
        example="jepa act zswap.shrinker_enabled on --for 1d",
    ),
    _action(
        "zswap.compressor",
        type=ValueType.CHOICE,
        choices=("lzo", "lzo-rle", "lz4", "zstd"),
        summary="how zswap compresses",
        description=(
            "lz4 and lzo are fast; zstd packs a third tighter and takes several times the CPU time, "
            "which pays where memory is short and CPUs are idle. Pages that are there stay as they were "
            "compressed. The kernel loads the module it needs, which stays loaded afterwards."
        ),
        example="jepa act zswap.compressor zstd --for 1d",
    ),
)
