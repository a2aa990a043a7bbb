// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Interrupts: the time they and their softirqs take, which /proc/stat counts only in ticks. */
#include "common.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define VECTORS 10 /* HI, TIMER, NET_TX, NET_RX, BLOCK, IRQ_POLL, TASKLET, SCHED, HRTIMER, RCU */

struct irq_totals {
    u64 softirqs[VECTORS];
    u64 softirq_ns[VECTORS];
    u64 hardirqs;
    u64 hardirq_ns;
    u64 softirq_since; /* neither kind nests in itself on one CPU */
    u64 hardirq_since;
};
TOTALS(struct irq_totals);

SEC("tp_btf/softirq_entry")
int BPF_PROG(on_softirq, unsigned int vector)
{
    struct irq_totals *own = own_totals(&totals);

    if (own)
        own->softirq_since = bpf_ktime_get_ns();
    return 0;
}

SEC("tp_btf/softirq_exit")
int BPF_PROG(on_softirq_end, unsigned int vector)
{
    struct irq_totals *own = own_totals(&totals);
    u64 now = bpf_ktime_get_ns();

    if (!own || vector >= VECTORS || !own->softirq_since)
        return 0;
    add(own->softirqs[vector], 1);
    add(own->softirq_ns[vector], now - own->softirq_since);
    own->softirq_since = 0;
    return 0;
}

SEC("tp_btf/irq_handler_entry")
int BPF_PROG(on_hardirq)
{
    struct irq_totals *own = own_totals(&totals);

    if (own)
        own->hardirq_since = bpf_ktime_get_ns();
    return 0;
}

SEC("tp_btf/irq_handler_exit")
int BPF_PROG(on_hardirq_end)
{
    struct irq_totals *own = own_totals(&totals);
    u64 now = bpf_ktime_get_ns();

    if (!own || !own->hardirq_since)
        return 0;
    add(own->hardirqs, 1);
    add(own->hardirq_ns, now - own->hardirq_since);
    own->hardirq_since = 0;
    return 0;
}
