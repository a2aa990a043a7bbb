/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the programs share: one entry of counters per CPU in memory that user space maps, and log2 histograms.
 *
 * Counters are added to atomically although no other CPU touches them: an interrupt may run another program
 * on the same CPU between the load and the store of a plain addition, and that count would be lost.
 */
#pragma once
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/* Slot 0 holds 0, slot n holds 2^(n-1) up to 2^n - 1, the last holds all above: a minute, in microseconds. */
#define SLOTS 27

/* The loader makes one entry for each CPU that the machine may have. */
#define TOTALS(entry)                                                                                          \
    struct {                                                                                                   \
        __uint(type, BPF_MAP_TYPE_ARRAY);                                                                      \
        __uint(map_flags, BPF_F_MMAPABLE);                                                                     \
        __uint(max_entries, 1);                                                                                \
        __type(key, u32);                                                                                      \
        __type(value, entry);                                                                                  \
    } totals SEC(".maps")

#define add(counter, amount) __sync_fetch_and_add(&(counter), amount)

static __always_inline void *own_totals(void *map)
{
    u32 cpu = bpf_get_smp_processor_id();

    return bpf_map_lookup_elem(map, &cpu);
}

static __always_inline u32 slot_of(u64 value)
{
    u32 slot = 0;

    if (value >> 32)
        return SLOTS - 1;
    if (value >= 1 << 16) {
        value >>= 16;
        slot += 16;
    }
    if (value >= 1 << 8) {
        value >>= 8;
        slot += 8;
    }
    if (value >= 1 << 4) {
        value >>= 4;
        slot += 4;
    }
    if (value >= 1 << 2) {
        value >>= 2;
        slot += 2;
    }
    if (value >= 1 << 1) {
        value >>= 1;
        slot += 1;
    }
    slot += value;
    return slot < SLOTS ? slot : SLOTS - 1;
}
