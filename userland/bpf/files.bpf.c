// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Files: how many each program opens. Needs a kernel that lets functions be entered (fentry). */
#include "common.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct files_totals {
    u64 opened;
};
TOTALS(struct files_totals);

struct program {
    char name[16];
};

/* The programs that opened files most recently; user space reads it when asked, not every second. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 1024);
    __type(key, struct program);
    __type(value, u64);
} programs SEC(".maps");

SEC("fentry/security_file_open")
int BPF_PROG(on_open)
{
    struct files_totals *own = own_totals(&totals);
    struct program key = {};
    u64 one = 1, *count;

    if (own)
        add(own->opened, 1);
    bpf_get_current_comm(key.name, sizeof(key.name));
    count = bpf_map_lookup_elem(&programs, &key);
    if (count)
        add(*count, 1);
    else
        bpf_map_update_elem(&programs, &key, &one, BPF_NOEXIST);
    return 0;
}
