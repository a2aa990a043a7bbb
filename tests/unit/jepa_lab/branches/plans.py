# SPDX-License-Identifier: Apache-2.0
"""A small plan for tests."""

PLAN = """\
seed = 1
runs = {train = 6, validation = 2, heldout = 3}
moments = 2
courses = 2
context_s = 16
branch_s = 10
gap_s = [2, 5]

[[shape]]
name = "wide"
memory_mib = 1024
operations_per_s = 300
instruction_ns = 4

[[shape]]
name = "narrow"
memory_mib = 512
operations_per_s = 100
instruction_ns = 4
tight = true
"""

SPLITS = {
    "train": ("xz", "openssl", "sort"),
    "validation": ("gpg", "perl"),
    "heldout": ("git", "jq", "zstd"),
}


def program(software: str, split: str, wants: str = "cpu", own: bool = False) -> str:
    """The part of a plan that says so."""
    return (
        f'\n[[program]]\nname = "{software}"\nsoftware = "{software}"\nsplit = "{split}"\n'
        f'wants = ["{wants}"]\ncommand = "while :; do {software}; done"\nown = {str(own).lower()}\n'
    )


def tried(
    action: str, target: str, values: str, held_out: str, wants: str = "cpu", tight: bool = False
) -> str:
    """The part of a plan that says so."""
    return (
        f'\n[[tried]]\naction = "{action}"\ntarget = "{target}"\nvalues = {values}\nheld_out = {held_out}\n'
        f'wants = "{wants}"\ntight = {str(tight).lower()}\n'
    )


PROGRAMS = "".join(program(name, split) for split, names in SPLITS.items() for name in names)
MEMORY = program("hoard", "train", 'memory", "cpu', own=True) + program(
    "heap", "heldout", 'memory", "cpu', own=True
)
TRIED = (
    tried("cpu.weight", "background", '[1, "idle"]', "[3]")
    + tried("cpu.max", "background", '["10%", "50%"]', '["25%"]')
    + tried("unit.freeze", "lab-background.service", "[]", "[]")
    + tried("vm.swappiness", "", "[0, 180]", "[20]", "memory", tight=True)
)
WHOLE = PLAN + PROGRAMS + MEMORY + TRIED
