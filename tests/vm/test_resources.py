# SPDX-License-Identifier: Apache-2.0
"""What actions need to have an effect is in the image: swap, controllers, an I/O controller, polkit."""

import time

import pytest

from tools.vm.machine import Machine

pytestmark = [pytest.mark.vm, pytest.mark.actuator_only]

GROUPS = "/sys/fs/cgroup"
MIB = 2**20


@pytest.mark.looks
def test_swap_is_compressed_memory(machine: Machine) -> None:
    fields = machine.succeed("swapon --noheadings --raw --bytes --show=NAME,SIZE,PRIO").split()
    memory = int(machine.succeed("grep MemTotal /proc/meminfo").split()[1]) * 1024
    assert fields[0] == "/dev/zram0"
    assert int(fields[1]) == pytest.approx(memory / 2, rel=0.02)
    assert "[zstd]" in machine.succeed("cat /sys/block/zram0/comp_algorithm")
    assert machine.succeed("sysctl -n vm.page-cluster").strip() == "0"


@pytest.mark.looks
def test_a_small_machine_keeps_no_reserve_for_huge_pages(machine: Machine) -> None:
    machine.wait_until_succeeds("systemctl is-active jepa-memory-reserve.service")
    assert machine.succeed("sysctl -n vm.min_free_kbytes").strip() == "8192"


@pytest.mark.looks
def test_polkit_answers_and_can_ask_for_a_password(machine: Machine) -> None:
    machine.succeed("pkcheck --action-id org.freedesktop.systemd1.manage-units --process $$")
    nobody = "setpriv --reuid=nobody --regid=nogroup --clear-groups"
    refused = machine.fail(
        f"{nobody} sh -c 'pkcheck --action-id org.freedesktop.systemd1.manage-units --process $$'"
    )
    assert "Not authorized" in refused.err or refused.status in (1, 2, 3), refused
    machine.succeed("pkttyagent --version")


def test_memory_that_is_not_used_goes_there_and_comes_back(machine: Machine) -> None:
    hold = "import time, zlib; held = zlib.compress(b'x') * (8 << 20); time.sleep(9999)"
    machine.succeed(f'systemd-run --quiet --unit=hold python3 -c "{hold}"')
    group = f"{GROUPS}/system.slice/hold.service"
    machine.wait_until_succeeds(f"test $(cat {group}/memory.current) -gt {64 * MIB}")
    machine.execute(f"echo 48M >{group}/memory.reclaim")
    assert int(machine.succeed(f"cat {group}/memory.swap.current")) > 32 * MIB
    data, compressed = map(int, machine.succeed("cat /sys/block/zram0/mm_stat").split()[:2])
    assert compressed < data / 10  # one byte over and over


def test_every_service_can_be_limited_in_cpu_memory_io_and_tasks(machine: Machine) -> None:
    machine.succeed("systemd-run --quiet --unit=some sleep 999")
    files = machine.succeed(f"ls {GROUPS}/system.slice/some.service").split()
    wanted = {"cpu.max", "cpu.uclamp.max", "memory.high", "memory.reclaim", "io.max", "io.stat", "pids.max"}
    assert wanted <= set(files)


@pytest.mark.quiet  # BFQ waits 8 ms for the next request of who weighs more: too short on half a host
def test_disks_are_shared_by_weight(machine: Machine) -> None:
    assert "[bfq]" in machine.succeed("cat /sys/block/vda/queue/scheduler")
    assert machine.succeed("cat /sys/block/vda/queue/iosched/low_latency").strip() == "0"
    machine.slow_disk(300)
    loop = "while :; do dd if=/dev/vda of=/dev/null bs=4k count=64 skip=$((RANDOM * 8)) iflag=direct; done"
    for unit, weight in (("heavy", 100), ("light", 10)):
        many = " & ".join([loop] * 8)
        machine.succeed(
            f"systemd-run --quiet --unit={unit} -p IOWeight={weight} bash -c '{many}' 2>/dev/null"
        )
    # /usr lies on the disk by way of a device of verity, whose requests are counted on a line of its own
    disk = machine.succeed("cat /sys/block/vda/dev").strip()
    read = f"grep -h '^{disk} ' " + " ".join(
        f"{GROUPS}/system.slice/{unit}.service/io.stat" for unit in ("heavy", "light")
    )
    read += " | grep -o 'rios=[0-9]*'"
    machine.wait_until_succeeds(f"test $({read} | wc -l) = 2")
    time.sleep(3)
    before = [int(word.partition("=")[2]) for word in machine.succeed(read).split()]
    time.sleep(8)
    after = [int(word.partition("=")[2]) for word in machine.succeed(read).split()]
    heavy, light = (end - begin for begin, end in zip(before, after, strict=True))
    machine.say(f"at weights of 100 and 10: {heavy} and {light} requests")
    assert heavy > 5 * light
