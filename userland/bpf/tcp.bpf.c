// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* TCP: retransmits, connections opened either way, how long connecting takes, and round trips. */
#include "common.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define IPPROTO_TCP 6
#define SRTT_SHIFT 3 /* tcp_sock keeps eight times the smoothed round trip (include/net/tcp.h) */

struct tcp_totals {
    u64 retransmits;
    u64 active;  /* connections asked for */
    u64 passive; /* connections taken in */
    u64 connect[SLOTS];    /* microseconds from SYN to established */
    u64 round_trip[SLOTS]; /* microseconds, smoothed, of connections that end */
    u64 lost;              /* connections beyond what the map holds */
};
TOTALS(struct tcp_totals);

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, u64);
    __type(value, u64);
} connecting SEC(".maps");

SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(on_retransmit)
{
    struct tcp_totals *own = own_totals(&totals);

    if (own)
        add(own->retransmits, 1);
    return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, const struct sock *sk, const int before, const int after)
{
    struct tcp_totals *own = own_totals(&totals);
    u64 socket = (u64)sk, now, *since;
    const struct tcp_sock *tcp;
    u32 smoothed;

    if (!own || sk->sk_protocol != IPPROTO_TCP)
        return 0;
    if (after == TCP_SYN_SENT) {
        now = bpf_ktime_get_ns();
        add(own->active, 1);
        if (bpf_map_update_elem(&connecting, &socket, &now, BPF_ANY))
            add(own->lost, 1);
    } else if (before == TCP_SYN_SENT) {
        since = bpf_map_lookup_elem(&connecting, &socket);
        if (since && after == TCP_ESTABLISHED) {
            now = bpf_ktime_get_ns();
            add(own->connect[slot_of(now > *since ? (now - *since) / 1000 : 0)], 1);
        }
        bpf_map_delete_elem(&connecting, &socket);
    } else if (before == TCP_SYN_RECV && after == TCP_ESTABLISHED) {
        add(own->passive, 1);
    } else if (before == TCP_ESTABLISHED) {
        tcp = (const struct tcp_sock *)sk;
        smoothed = BPF_CORE_READ(tcp, srtt_us) >> SRTT_SHIFT;
        if (smoothed)
            add(own->round_trip[slot_of(smoothed)], 1);
    }
    return 0;
}
