// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Memory: how long tasks stall because they must free or compact it themselves, and OOM kills. */
#include "common.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PF_KTHREAD 0x00200000

struct memory_totals {
    u64 reclaims;
    u64 reclaim_ns;
    u64 compactions;
    u64 compaction_ns;
    u64 oom_kills;
    u64 lost; /* stalls beyond what the map holds */
};
TOTALS(struct memory_totals);

struct stall {
    u32 pid;
    u32 compaction;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, struct stall);
    __type(value, u64);
} stalls SEC(".maps");

static __always_inline void begin(u32 compaction)
{
    struct memory_totals *own = own_totals(&totals);
    struct stall key = {(u32)bpf_get_current_pid_tgid(), compaction};
    u64 now = bpf_ktime_get_ns();

    if (bpf_map_update_elem(&stalls, &key, &now, BPF_ANY) && own)
        add(own->lost, 1);
}

static __always_inline u64 end(u32 compaction)
{
    struct stall key = {(u32)bpf_get_current_pid_tgid(), compaction};
    u64 now = bpf_ktime_get_ns(), took = 0, *since = bpf_map_lookup_elem(&stalls, &key);

    if (since) {
        took = now > *since ? now - *since : 0;
        bpf_map_delete_elem(&stalls, &key);
    }
    return took;
}

static __always_inline bool in_kernel_thread(void)
{
    struct task_struct *task = bpf_get_current_task_btf();

    return task->flags & PF_KTHREAD;
}

SEC("tp_btf/mm_vmscan_direct_reclaim_begin")
int BPF_PROG(on_reclaim)
{
    begin(0);
    return 0;
}

SEC("tp_btf/mm_vmscan_direct_reclaim_end")
int BPF_PROG(on_reclaimed)
{
    struct memory_totals *own = own_totals(&totals);

    if (own) {
        add(own->reclaims, 1);
        add(own->reclaim_ns, end(0));
    }
    return 0;
}

SEC("tp_btf/mm_compaction_begin")
int BPF_PROG(on_compaction)
{
    /* kcompactd compacts ahead of need, which stalls nobody */
    if (!in_kernel_thread())
        begin(1);
    return 0;
}

SEC("tp_btf/mm_compaction_end")
int BPF_PROG(on_compacted)
{
    struct memory_totals *own = own_totals(&totals);

    if (own && !in_kernel_thread()) {
        add(own->compactions, 1);
        add(own->compaction_ns, end(1));
    }
    return 0;
}

SEC("tp_btf/mark_victim")
int BPF_PROG(on_victim)
{
    struct memory_totals *own = own_totals(&totals);

    if (own)
        add(own->oom_kills, 1);
    return 0;
}
