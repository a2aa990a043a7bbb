// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Locks of the kernel: waits for one that another holds. The programs run on contention only. */
#include "common.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct lock_totals {
    u64 waits;
    u64 wait_ns;
    u64 lost; /* waits beyond what the map holds */
};
TOTALS(struct lock_totals);

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, u32);
    __type(value, u64);
} waiting SEC(".maps");

/* A task that spins on one lock may be interrupted and spin on another; the outer wait is what counts. */
SEC("tp_btf/contention_begin")
int BPF_PROG(on_wait)
{
    struct lock_totals *own = own_totals(&totals);
    u32 pid = bpf_get_current_pid_tgid();
    u64 now = bpf_ktime_get_ns();
    long failed;

    /* the idle tasks of all CPUs share number 0 */
    if (!own || !pid)
        return 0;
    failed = bpf_map_update_elem(&waiting, &pid, &now, BPF_NOEXIST);
    if (failed && failed != -17 /* EEXIST */)
        add(own->lost, 1);
    return 0;
}

SEC("tp_btf/contention_end")
int BPF_PROG(on_got)
{
    struct lock_totals *own = own_totals(&totals);
    u32 pid = bpf_get_current_pid_tgid();
    u64 now = bpf_ktime_get_ns(), *since = bpf_map_lookup_elem(&waiting, &pid);

    if (!own || !since)
        return 0;
    add(own->waits, 1);
    if (now > *since)
        add(own->wait_ns, now - *since);
    bpf_map_delete_elem(&waiting, &pid);
    return 0;
}
