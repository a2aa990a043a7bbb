// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The scheduler: switches, migrations, how long tasks wait to run and how long they are blocked, by role. */
#include "common.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define FOREGROUND 0
#define BACKGROUND 1
#define SYSTEM 2
#define ROLES 3
#define DEEPEST 16
#define TASK_UNINTERRUPTIBLE 0x2
#define TASK_NOLOAD 0x400

struct sched_totals {
    u64 switches;
    u64 migrations;
    u64 wait_ns;
    u64 waits[ROLES][SLOTS]; /* microseconds on the run queue */
    u64 blocked_ns[ROLES];   /* uninterruptible sleep that ended */
    u64 lost;                /* blocked tasks beyond what the map holds */
    u64 cached[3];           /* cgroup, generation and role of the task that last waited on this CPU */
};
TOTALS(struct sched_totals);

/* Written by user space: cgroup id -> role, for the groups that were assigned one. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 256);
    __type(key, u64);
    __type(value, u32);
} roles SEC(".maps");

struct known_role {
    u32 generation;
    u32 role;
};

/* What the walk up from a group found, so that it is walked once; of another generation it is stale. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 4096);
    __type(key, u64);
    __type(value, struct known_role);
} known SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, u32);
    __type(value, u32);
} generation SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, u32);
    __type(value, u64);
} blocked SEC(".maps");

static __always_inline u32 walk(struct cgroup *group)
{
    for (int level = 0; level < DEEPEST && group; level++) {
        u64 id = BPF_CORE_READ(group, kn, id);
        u32 *role = bpf_map_lookup_elem(&roles, &id);

        if (role)
            return *role < ROLES ? *role : SYSTEM;
        group = (struct cgroup *)BPF_CORE_READ(group, self.parent);
    }
    return SYSTEM;
}

static __always_inline u32 role_of(struct sched_totals *own, struct task_struct *task)
{
    struct cgroup *group = task->cgroups->dfl_cgrp;
    u64 id = group->kn->id;
    u32 zero = 0, *now = bpf_map_lookup_elem(&generation, &zero);
    struct known_role found, *seen;

    if (!now)
        return SYSTEM;
    if (own->cached[0] == id && own->cached[1] == *now)
        return own->cached[2] < ROLES ? own->cached[2] : SYSTEM;
    seen = bpf_map_lookup_elem(&known, &id);
    if (seen && seen->generation == *now) {
        found = *seen;
    } else {
        found.generation = *now;
        found.role = walk(group);
        bpf_map_update_elem(&known, &id, &found, BPF_ANY);
    }
    own->cached[0] = id;
    own->cached[1] = found.generation;
    own->cached[2] = found.role;
    return found.role < ROLES ? found.role : SYSTEM;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int state)
{
    struct sched_totals *own = own_totals(&totals);
    u32 pid = prev->pid;
    u64 now, queued, clock, *since;
    u32 role;

    if (!own)
        return 0;
    add(own->switches, 1);
    if (pid && !preempt && (state & TASK_UNINTERRUPTIBLE) && !(state & TASK_NOLOAD)) {
        now = bpf_ktime_get_ns();
        if (bpf_map_update_elem(&blocked, &pid, &now, BPF_ANY))
            add(own->lost, 1);
    }
    pid = next->pid;
    if (!pid)
        return 0;
    role = role_of(own, next);
    /* The kernel notes when a task was queued, and forgets it right after this point (kernel/sched/stats.h). A task
     * that another CPU pulled while it waited counts from then on only.
     */
    queued = next->sched_info.last_queued;
    clock = next->se.cfs_rq->rq->clock;
    if (queued && clock > queued) {
        u64 waited = clock - queued;

        add(own->wait_ns, waited);
        add(own->waits[role][slot_of(waited / 1000)], 1);
    } else {
        add(own->waits[role][0], 1);
    }
    since = bpf_map_lookup_elem(&blocked, &pid);
    if (since) {
        now = bpf_ktime_get_ns();
        if (now > *since)
            add(own->blocked_ns[role], now - *since);
        bpf_map_delete_elem(&blocked, &pid);
    }
    return 0;
}

SEC("tp_btf/sched_migrate_task")
int BPF_PROG(on_migrate, struct task_struct *task, int cpu)
{
    struct sched_totals *own = own_totals(&totals);

    if (own)
        add(own->migrations, 1);
    return 0;
}
