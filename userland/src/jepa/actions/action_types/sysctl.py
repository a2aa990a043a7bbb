# SPDX-License-Identifier: Apache-2.0
"""Kernel parameters that may be set: an allow-list.

Ranges are narrower than the kernel's where its ends do harm.
"""

from functools import partial

from jepa.actions.catalogue import ActionType, TargetKind, Tier, ValueType

_action = partial(
    ActionType,
    family="sysctl",
    target=TargetKind.MACHINE,
    type=ValueType.INTEGER,
    tier=Tier.TUNE,
    dwell_s=1.0,
)

ACTIONS = (
    # Memory: what is reclaimed, and when.
    _action(
        "vm.swappiness",
        minimum=0,
        maximum=200,
        summary="how willingly the kernel swaps programs' memory out rather than drop file pages",
        description=(
            "The rough cost of swapping beside that of reading files again: 100 says they cost the "
            "same. Low values keep programs' memory and drop cached files first, which suits a slow "
            "swap device. Above 100 suits compressed swap in memory (zram), which costs less than "
            "reading a disk. At 0 the kernel swaps only when it is about to run out of memory."
        ),
        example="jepa act vm.swappiness 10 --for 1h",
    ),
    _action(
        "vm.vfs_cache_pressure",
        unit="%",
        minimum=10,
        maximum=500,
        summary="how willingly the kernel drops cached directory entries and inodes beside file pages",
        description=(
            "At 100 they are reclaimed at the same rate as file pages and swap. Lower values keep them: "
            "walking large directory trees (backups, builds, `find`) reads less from disk, and less "
            "memory is left for file contents. Higher values free them sooner, which costs time "
            "whenever files are looked up again. The kernel takes 0 too, with which it may run out of "
            "memory; that is not offered."
        ),
        example="jepa act vm.vfs_cache_pressure 50 --for 1h",
    ),
    _action(
        "vm.page-cluster",
        minimum=0,
        maximum=5,
        summary="how many pages are read from swap at once, as a power of two",
        description=(
            "3 reads 8 pages for each one that a program asks for, in the hope that it will ask for the "
            "neighbours, which pays on a spinning disk. 0 reads just the one: the right choice for "
            "compressed swap in memory (zram), where a neighbour that nobody wants costs time to "
            "decompress and memory to hold."
        ),
        example="jepa act vm.page-cluster 0",
    ),
    _action(
        "vm.watermark_scale_factor",
        unit="1/10000 of memory",
        minimum=10,
        maximum=1000,
        summary="how early the kernel begins to reclaim memory in the background",
        description=(
            "The distance between the levels of free memory at which kswapd wakes up and goes back to "
            "sleep. 10 is 0.1 % of memory. When programs stall in direct reclaim although memory could "
            "be freed, a larger value (100 to 300) lets kswapd start sooner. It costs as much memory as "
            "is then kept free, up to 10 % at 1000."
        ),
        example="jepa act vm.watermark_scale_factor 125 --for 1h",
    ),
    _action(
        "vm.watermark_boost_factor",
        unit="1/10000 of the high watermark",
        minimum=0,
        maximum=30000,
        summary="how much more is reclaimed after memory became fragmented",
        description=(
            "When an allocation had to take a block meant for another kind of memory, kswapd reclaims "
            "this much more to undo the mixing, so that huge pages can be had later. 15000 is 150 % of "
            "the high watermark. 0 switches it off, which saves reclaim (and swapping out) on a machine "
            "that does not need huge pages."
        ),
        example="jepa act vm.watermark_boost_factor 0 --for 1h",
    ),
    _action(
        "vm.min_free_kbytes",
        unit="kB",
        minimum=1024,
        maximum=1048576,
        dwell_s=10.0,
        summary="how much memory the kernel keeps free for itself",
        description=(
            "The reserve from which interrupts and the network take memory when nothing can be "
            "reclaimed first. More of it avoids failed allocations on machines with fast network cards "
            "and shortens stalls; programs lose as much. Not offered are less than the kernel chooses "
            "by itself, with which it may hang, and more than 5 % of the memory, for which it would "
            "kill programs."
        ),
        example="jepa act vm.min_free_kbytes 131072 --for 2h",
    ),
    _action(
        "vm.compaction_proactiveness",
        minimum=0,
        maximum=80,
        summary="how eagerly the kernel moves memory together in the background, for huge pages",
        description=(
            "Higher values make huge pages available without waiting, which helps programs that "
            "allocate many of them; it costs CPU time in kcompactd and moves pages that programs are "
            "using. 0 switches it off. The kernel's 100 compacts without an end and is not offered."
        ),
        example="jepa act vm.compaction_proactiveness 0 --for 1h",
    ),
    _action(
        "vm.max_map_count",
        minimum=65530,
        maximum=1048576,
        summary="how many memory mappings one process may have",
        description=(
            "Some games, databases and search engines map more pieces of files and memory than 65530 "
            'and fail with "out of memory" when they reach it. A larger number costs kernel memory only '
            "where a process makes use of it. A program that has more mappings than the old limit when "
            "this is taken back keeps them and can make no new ones."
        ),
        example="jepa act vm.max_map_count 1048576 --for 4h",
    ),
    # Memory: what waits to be written to disk.
    _action(
        "vm.dirty_ratio",
        setting="vm.dirty",
        type=ValueType.PERCENT,
        minimum=1,
        maximum=60,
        summary=(
            "share of available memory that may wait to be written to disk before writers have to wait"
        ),
        description=(
            "Above it a program that writes files must write some of them out itself, which feels like "
            "a stall. A small share keeps the backlog short: `sync`, unmounting and readers on a slow "
            "disk wait less. A large one lets short bursts of writing run at the speed of memory, and "
            "more is lost in a power cut. It replaces vm.dirty_bytes: the kernel knows one or the "
            "other, and whichever it was is put back."
        ),
        example="jepa act vm.dirty_ratio 10% --for 1h",
    ),
    _action(
        "vm.dirty_bytes",
        setting="vm.dirty",
        type=ValueType.BYTES,
        minimum=16777216,
        maximum=68719476736,
        summary="amount of data that may wait to be written to disk before writers have to wait",
        description=(
            "As vm.dirty_ratio, as a size: on a machine with much memory one percent is already more "
            "than a slow disk writes in minutes. Choose what the disk writes in a few seconds, for "
            "instance 256M for a hard disk or a USB stick. It costs the speed of bursts of writing that "
            "are longer. It replaces vm.dirty_ratio; whichever of the two it was is put back."
        ),
        example="jepa act vm.dirty_bytes 256M --for 1h",
    ),
    _action(
        "vm.dirty_background_ratio",
        setting="vm.dirty_background",
        type=ValueType.PERCENT,
        minimum=1,
        maximum=50,
        summary=("share of available memory that may wait to be written before the kernel begins to write"),
        description=(
            "The kernel starts to write in the background here, and programs that write must wait at "
            "vm.dirty_ratio; where this one is not the smaller, the kernel takes half of the other. A "
            "small share spreads writing evenly; a large one lets files that are deleted soon never "
            "reach the disk, and lets a laptop's disk sleep. It replaces vm.dirty_background_bytes."
        ),
        example="jepa act vm.dirty_background_ratio 5% --for 1h",
    ),
    _action(
        "vm.dirty_background_bytes",
        setting="vm.dirty_background",
        type=ValueType.BYTES,
        minimum=4194304,
        maximum=34359738368,
        summary="amount of data that may wait to be written before the kernel begins to write",
        description=(
            "As vm.dirty_background_ratio, as a size, which is what one wants on a machine with much "
            "memory: for instance 64M keeps a slow disk busy early and evenly. It costs some writing of "
            "files that would have been deleted before they reach the disk. It replaces "
            "vm.dirty_background_ratio; whichever of the two it was is put back."
        ),
        example="jepa act vm.dirty_background_bytes 64M --for 1h",
    ),
    _action(
        "vm.dirty_expire_centisecs",
        unit="1/100 s",
        minimum=100,
        maximum=30000,
        summary="age at which changed data in memory is written to disk",
        description=(
            "3000 is 30 seconds. Longer lets the disk sleep and merges more writes into one; that much "
            "more may be lost in a power cut, for programs that do not ask for `fsync`. Shorter spreads "
            "the writing and loses less. It holds for file data; file systems write their journals at "
            "times of their own."
        ),
        example="jepa act vm.dirty_expire_centisecs 1500 --for 1h",
    ),
    _action(
        "vm.dirty_writeback_centisecs",
        unit="1/100 s",
        minimum=100,
        maximum=6000,
        summary="how often the kernel looks for changed data that is old enough to be written",
        description=(
            "500 is 5 seconds. A longer time wakes CPU and disk less often, which saves power on a "
            "laptop, and writes in larger bursts. With a shorter one data reaches the disk nearer to "
            "its age of vm.dirty_expire_centisecs. The kernel takes 0 too, which never writes by age; "
            "that is not offered."
        ),
        example="jepa act vm.dirty_writeback_centisecs 1500 --for 1h",
    ),
    # The kernel.
    _action(
        "kernel.sched_autogroup_enabled",
        minimum=0,
        maximum=1,
        summary="whether each terminal session gets an equal share of the CPUs",
        description=(
            "With 1 the processes of a session (a terminal, a desktop) share the CPUs as one group: a "
            "build of 32 processes in one terminal leaves as much for the player in another as a single "
            "process would. Nice values then count within a session only. With 0 all processes compete "
            "one by one. It has no effect on units that have a CPU weight of their own."
        ),
        example="jepa act kernel.sched_autogroup_enabled 1 --for 1h",
    ),
    _action(
        "kernel.sched_cfs_bandwidth_slice_us",
        unit="us",
        minimum=1000,
        maximum=20000,
        summary="how much of a CPU quota a CPU fetches at once",
        description=(
            "CPU quotas (cpu.max) are handed to the CPUs in slices. 5000 is the kernel's choice. "
            "Smaller slices make a group with a quota and many threads reach exactly its quota, with "
            "fewer long pauses, which services with short requests like; each hand-over takes a lock "
            "and with it CPU time."
        ),
        example="jepa act kernel.sched_cfs_bandwidth_slice_us 2000 --for 1h",
    ),
    _action(
        "kernel.numa_balancing",
        needs=("CAP_SYS_ADMIN",),
        minimum=0,
        maximum=1,
        summary="whether memory is moved to the CPUs that use it on machines with several NUMA nodes",
        description=(
            "With 1 the kernel unmaps pages now and then to see which CPU touches them and moves memory "
            "and threads together. It helps long-running programs that were not placed by hand; it "
            "costs page faults, which programs with steady latency notice. On a machine with one node "
            "it has no effect."
        ),
        example="jepa act kernel.numa_balancing 0 --for 1h",
    ),
    _action(
        "kernel.split_lock_mitigate",
        minimum=0,
        maximum=1,
        summary="whether programs that lock across two cache lines are slowed down",
        description=(
            "Such a lock stops all CPUs for a moment, so that the kernel delays whoever uses one (with "
            "1) and one program cannot slow the machine down for all. Some games for Windows do it "
            "thousands of times a second and become unplayable; with 0 they run at full speed, and any "
            "program may then slow down the others."
        ),
        example="jepa act kernel.split_lock_mitigate 0 --for 4h",
    ),
    _action(
        "kernel.task_delayacct",
        needs=("CAP_SYS_ADMIN",),
        minimum=0,
        maximum=1,
        summary="whether the kernel counts for each task what it waits for",
        description=(
            "With 1 the kernel counts the time that each task waits for a CPU, disks, swap and reclaim, "
            "which `iotop` and `getdelays` show. It costs a few percent of time in programs that switch "
            "often. Tasks that began before it was switched on are counted from then on."
        ),
        example="jepa act kernel.task_delayacct 1 --for 10m",
    ),
    _action(
        "kernel.nmi_watchdog",
        minimum=0,
        maximum=1,
        summary="whether a CPU that hangs with interrupts off is noticed",
        description=(
            "The detector of hard lockups takes one performance counter and wakes each CPU every few "
            "seconds. With 0 idle CPUs sleep longer, and `perf` has one counter more; a CPU that hangs "
            "for good is then no longer reported, and a machine that is to restart after a hang does "
            "not. Virtual machines mostly lack it."
        ),
        example="jepa act kernel.nmi_watchdog 0 --for 2h",
    ),
    # The network.
    _action(
        "net.core.somaxconn",
        minimum=128,
        maximum=65535,
        summary="how many connections may wait for a server to accept them",
        description=(
            "The upper limit of the queue that each listening socket asks for. A server that is flooded "
            "with new connections drops those beyond it, and clients wait a second or more until they "
            "try again. It holds for sockets that begin to listen after the change: restart the server. "
            "A longer queue costs memory and lets clients wait longer before they are refused."
        ),
        example="jepa act net.core.somaxconn 8192 --for 2h",
    ),
    _action(
        "net.core.netdev_max_backlog",
        minimum=300,
        maximum=100000,
        summary="how many received packets may wait for a CPU",
        description=(
            "Packets beyond it are dropped (second column of /proc/net/softnet_stat). It matters for "
            "virtual and tunnel interfaces and for packets that are steered to another CPU. A longer "
            "queue survives longer bursts and makes packets wait longer under steady overload; each "
            "entry holds a packet's memory."
        ),
        example="jepa act net.core.netdev_max_backlog 5000 --for 2h",
    ),
    _action(
        "net.core.netdev_budget",
        minimum=100,
        maximum=2000,
        summary="how many packets are received before other work gets the CPU",
        description=(
            "When the kernel ends a round with packets left (third column of /proc/net/softnet_stat) on "
            "a fast link, a larger budget receives more in one go. It costs latency for everything else "
            "on that CPU, since programs wait until the round is over, at most "
            "net.core.netdev_budget_usecs."
        ),
        example="jepa act net.core.netdev_budget 600 --for 2h",
    ),
    _action(
        "net.core.netdev_budget_usecs",
        unit="us",
        minimum=8000,
        maximum=20000,
        summary="how long packets are received before other work gets the CPU",
        description=(
            "The other end of a round of receiving, beside net.core.netdev_budget: whichever is reached "
            "first. Longer rounds receive more on a fast link whose packets are dropped; programs on "
            "the same CPU wait that much longer, which players and musicians hear before servers see "
            "it."
        ),
        example="jepa act net.core.netdev_budget_usecs 12000 --for 2h",
    ),
    _action(
        "net.core.rmem_max",
        type=ValueType.BYTES,
        minimum=212992,
        maximum=67108864,
        summary="largest receive buffer that a program may ask for",
        description=(
            "Programs for fast transfers by UDP or QUIC ask for a few megabytes and warn when they get "
            "less; packets that arrive while the program is busy are dropped when the buffer is small. "
            "It holds for sockets that ask after the change. Each such socket may then hold that much "
            "kernel memory."
        ),
        example="jepa act net.core.rmem_max 8M --for 2h",
    ),
    _action(
        "net.core.wmem_max",
        type=ValueType.BYTES,
        minimum=212992,
        maximum=67108864,
        summary="largest send buffer that a program may ask for",
        description=(
            "As net.core.rmem_max for what is sent: a program that asks for a large buffer hands over "
            "more at once and is woken less often, which long and fast links need. It holds for sockets "
            "that ask after the change. Each such socket may then hold that much kernel memory, and "
            "what waits in it waits longer."
        ),
        example="jepa act net.core.wmem_max 8M --for 2h",
    ),
    _action(
        "net.core.default_qdisc",
        type=ValueType.CHOICE,
        choices=("fq_codel", "fq", "cake", "pfifo_fast"),
        needs=("CAP_NET_ADMIN",),
        summary="how packets that wait to be sent are ordered, on interfaces that appear from now on",
        description=(
            "fq_codel shares a link fairly and keeps queues short: the best choice for most machines. "
            "fq paces each connection, which bbr wants, and suits servers. cake does more for a slow "
            "uplink and costs CPU time. pfifo_fast is the plain queue. Interfaces that are there keep "
            "theirs. The kernel loads the module it needs, which stays loaded afterwards."
        ),
        example="jepa act net.core.default_qdisc fq --for 1d",
    ),
    _action(
        "net.ipv4.tcp_congestion_control",
        type=ValueType.CHOICE,
        choices=("cubic", "bbr", "reno"),
        summary="how fast TCP connections that begin from now on send",
        description=(
            "cubic fills the queue on the way until packets are lost. bbr measures bandwidth and delay "
            "instead: much faster over links that lose packets, with shorter queues; it may take more "
            "than its share beside cubic on a shared narrow link. reno is the cautious old one. "
            "Connections that stand keep theirs. The module of bbr has to be loaded, as JEPA OS does at "
            "boot."
        ),
        example="jepa act net.ipv4.tcp_congestion_control bbr --for 1d",
    ),
    _action(
        "net.ipv4.tcp_slow_start_after_idle",
        minimum=0,
        maximum=1,
        summary="whether a TCP connection starts slowly again after a pause",
        description=(
            "With 1 a connection that was silent for about a second begins with a few packets and "
            "speeds up again, since the way may have become busy meanwhile. With 0 it goes on at its "
            "former speed, which long-lived connections with bursts like (web servers with HTTP/2, "
            "databases); a burst may then overflow a queue on the way."
        ),
        example="jepa act net.ipv4.tcp_slow_start_after_idle 0 --for 2h",
    ),
    _action(
        "net.ipv4.tcp_notsent_lowat",
        type=ValueType.BYTES,
        minimum=16384,
        maximum=4294967295,
        summary="how much a TCP connection takes from a program before it is sent",
        description=(
            "The largest value (the kernel's own choice) lets a program fill the whole send buffer, so "
            "that what it decides to send later waits behind. 16K to 128K keeps that queue short: a "
            "server can still put something urgent first, and uses less memory. The program is woken "
            "more often, which costs CPU time."
        ),
        example="jepa act net.ipv4.tcp_notsent_lowat 128K --for 2h",
    ),
    _action(
        "net.ipv4.tcp_max_syn_backlog",
        minimum=128,
        maximum=65536,
        summary="how many TCP connections may be half open for one listening socket",
        description=(
            "Those that have sent their first packet and not yet their second. When a server on a long "
            "way from its clients is flooded with new connections, a larger number keeps honest ones "
            "from being dropped or answered with SYN cookies. Each entry holds about 300 bytes of "
            "kernel memory."
        ),
        example="jepa act net.ipv4.tcp_max_syn_backlog 8192 --for 2h",
    ),
    _action(
        "net.ipv4.tcp_fin_timeout",
        unit="s",
        minimum=10,
        maximum=120,
        summary="how long a closed TCP connection waits for the other side to close too",
        description=(
            "Connections that this side has closed and the other has not are kept that long in "
            "FIN-WAIT-2. On a server with very many short connections a shorter time frees memory and "
            "ports sooner; the last data of a slow client may then be answered with a reset."
        ),
        example="jepa act net.ipv4.tcp_fin_timeout 15 --for 2h",
    ),
    _action(
        "net.ipv4.tcp_keepalive_time",
        unit="s",
        minimum=60,
        maximum=7200,
        summary=(
            "silence after which the kernel asks whether the other side of a TCP connection is still there"
        ),
        description=(
            "Only for connections whose program asked for keep-alive and named no time of its own. A "
            "shorter time notices a dead peer sooner and keeps routers on the way from forgetting a "
            "silent connection; it costs a packet each time and wakes mobile devices."
        ),
        example="jepa act net.ipv4.tcp_keepalive_time 600 --for 1d",
    ),
    _action(
        "net.ipv4.tcp_mtu_probing",
        minimum=0,
        maximum=2,
        summary="whether TCP finds out by itself how large packets may be",
        description=(
            "1 does so once a connection hangs, because some router drops large packets and its reports "
            'of it are filtered (a "black hole", known from tunnels and VPNs). 2 does so always, and '
            "starts with small packets, which is slower at first. 0 trusts the reports."
        ),
        example="jepa act net.ipv4.tcp_mtu_probing 1 --for 1d",
    ),
)
