// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Block I/O: how long requests take from their making to their end, and how large they are. */
#include "common.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define OPERATION_BITS 0xff

/* Requests of one device and operation; counts are shared by the CPUs. */
struct requests {
    u64 done;
    u64 latency[SLOTS]; /* microseconds */
    u64 size[SLOTS];    /* KiB, of those begun */
};

struct device_operation {
    u32 device; /* major << 20 | minor, as the kernel numbers them */
    u32 operation; /* REQ_OP_*: 0 read, 1 write, 2 flush, 3 discard */
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 128);
    __type(key, struct device_operation);
    __type(value, struct requests);
} devices SEC(".maps");

struct block_totals {
    u64 done;
    u64 lost; /* requests of devices beyond what the map holds */
};
TOTALS(struct block_totals);

/* Too large for the stack, and never changed. */
static const struct requests untouched;

static __always_inline struct requests *requests_of(struct request *request)
{
    struct gendisk *disk = request->q->disk;
    struct device_operation key;
    struct requests *found;

    if (!disk)
        return 0;
    key.device = (u32)disk->major << 20 | disk->first_minor;
    key.operation = request->cmd_flags & OPERATION_BITS;
    found = bpf_map_lookup_elem(&devices, &key);
    if (found)
        return found;
    bpf_map_update_elem(&devices, &key, &untouched, BPF_NOEXIST);
    return bpf_map_lookup_elem(&devices, &key);
}

/* Flags have moved between kernels. */
enum rqf_flags___here {
    __RQF_FLUSH_SEQ___here,
};

/* Whether this is the flush that the kernel puts before or after a request, and counts with that. */
static __always_inline bool is_flush_of_another(struct request *request)
{
    if (!bpf_core_enum_value_exists(enum rqf_flags___here, __RQF_FLUSH_SEQ___here))
        return false;
    return request->rq_flags >> bpf_core_enum_value(enum rqf_flags___here, __RQF_FLUSH_SEQ___here) & 1;
}

SEC("tp_btf/block_io_start")
int BPF_PROG(on_start, struct request *request)
{
    struct requests *seen = is_flush_of_another(request) ? 0 : requests_of(request);

    if (seen)
        add(seen->size[slot_of(request->__data_len >> 10)], 1);
    return 0;
}

SEC("tp_btf/block_io_done")
int BPF_PROG(on_done, struct request *request)
{
    struct block_totals *own = own_totals(&totals);
    struct requests *seen;
    u64 now = bpf_ktime_get_ns();

    if (!own || is_flush_of_another(request))
        return 0;
    seen = requests_of(request);
    add(own->done, 1);
    if (!seen) {
        add(own->lost, 1);
        return 0;
    }
    add(seen->done, 1);
    if (now > request->start_time_ns)
        add(seen->latency[slot_of((now - request->start_time_ns) / 1000)], 1);
    else
        add(seen->latency[0], 1);
    return 0;
}
