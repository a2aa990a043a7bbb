// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Processes: made, replaced and ended, how long they lived and how they ended, however short that was. */
#include "common.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define SHORT_NS 1000000000ULL

struct process_totals {
    u64 forked; /* threads too, as /proc/stat counts them */
    u64 executed;
    u64 exited; /* whole processes */
    u64 short_lived;
    u64 failed; /* with a status other than 0 */
    u64 killed; /* by a signal */
    u64 lifetime[SLOTS]; /* milliseconds */
};
TOTALS(struct process_totals);

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork)
{
    struct process_totals *own = own_totals(&totals);

    if (own)
        add(own->forked, 1);
    return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec)
{
    struct process_totals *own = own_totals(&totals);

    if (own)
        add(own->executed, 1);
    return 0;
}

/* Whether the last thread of a process ends. Kernels that do not say so (before 6.16) leave its count to be looked
 * at, which two threads that end together may both find to be none.
 */
struct trace_event_raw_sched_process_exit___said {
    bool group_dead;
} __attribute__((preserve_access_index));

static __always_inline bool is_last(unsigned long long *arguments, struct task_struct *task)
{
    if (bpf_core_field_exists(((struct trace_event_raw_sched_process_exit___said *)0)->group_dead))
        return (bool)arguments[1];
    return !task->signal->live.counter;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
    struct process_totals *own = own_totals(&totals);
    u64 now = bpf_ktime_get_ns(), lived, began;
    int code;

    if (!own || !is_last(ctx, task))
        return 0;
    began = task->group_leader->start_time;
    lived = now > began ? now - began : 0;
    code = task->signal->group_exit_code ?: task->exit_code;
    add(own->exited, 1);
    add(own->lifetime[slot_of(lived / 1000000)], 1);
    if (lived < SHORT_NS)
        add(own->short_lived, 1);
    if (code & 0x7f)
        add(own->killed, 1);
    else if (code & 0xff00)
        add(own->failed, 1);
    return 0;
}
