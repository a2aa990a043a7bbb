# SPDX-License-Identifier: Apache-2.0
"""How fast the CPUs run, and what the machine's firmware weighs.

A virtual machine has none of these.
"""

from functools import partial

from jepa.actions.catalogue import ActionType, TargetKind, Tier, ValueType

_action = partial(
    ActionType,
    family="cpufreq",
    target=TargetKind.MACHINE,
    type=ValueType.CHOICE,
    tier=Tier.TUNE,
    dwell_s=5.0,
)

ACTIONS = (
    _action(
        "cpu.governor",
        choices=("performance", "powersave", "schedutil", "ondemand", "conservative"),
        summary="what chooses the frequency of the CPUs",
        description=(
            "schedutil follows the load that the scheduler sees and is right for nearly everything; "
            "performance stays at the highest frequency, which saves the time of speeding up and costs "
            "power, heat and fan noise; powersave stays at the lowest, which makes everything slow and "
            "mostly saves less than being done sooner. ondemand and conservative are older ways of "
            "following the load. Limits by cpu.uclamp have an effect with schedutil alone."
        ),
        example="jepa act cpu.governor performance --for 2h",
    ),
    _action(
        "cpu.epp",
        choices=("default", "performance", "balance_performance", "balance_power", "power"),
        summary="what CPUs that choose their frequency themselves weigh: speed or energy",
        description=(
            "For intel_pstate and amd-pstate in active mode. performance speeds up at once and stays "
            "there; power speeds up late and not far, which lengthens battery life and makes short work "
            "sluggish; balance_performance is usual on mains, balance_power on battery. Each CPU goes "
            "back to what it had. The governor `performance` holds it at performance."
        ),
        example="jepa act cpu.epp balance_power --for 3h",
    ),
    _action(
        "cpu.boost",
        choices=("on", "off"),
        summary="whether CPUs may run above their nominal frequency for a while",
        description=(
            "Also called turbo. off makes the machine cooler, quieter and steadier (what a benchmark "
            "needs, and a laptop on one's knees) and takes a fifth to a half of the speed of a single "
            "busy thread. on lets the firmware decide, within what power and temperature allow."
        ),
        example="jepa act cpu.boost off --for 1h",
    ),
    _action(
        "platform.profile",
        choices=(
            "low-power",
            "cool",
            "quiet",
            "balanced",
            "balanced-performance",
            "performance",
            "max-power",
        ),
        summary="the firmware's own balance of speed, heat and noise",
        description=(
            "Sets fans and power limits of a laptop as its vendor's key for it does. Which profiles "
            "there are, and what each does, is the vendor's choice. power-profiles-daemon and TuneD set "
            "it as well when a desktop's power mode is chosen; what they set later is theirs, and stays "
            "when this is taken back."
        ),
        example="jepa act platform.profile quiet --for 2h",
    ),
)
