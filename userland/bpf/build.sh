#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Compiles every BPF program: build.sh OUT_DIR [TYPES [ARCHITECTURE]], where TYPES is a vmlinux.h or a file with BTF
# (default: that of the running kernel, and this machine's architecture). The objects run on any kernel of the
# architecture that has what each program names.
set -euo pipefail

out=$1
types=${2:-/sys/kernel/btf/vmlinux}
here=$(cd "$(dirname "$0")" && pwd)
clang=$(command -v clang || true)
if [[ -z "$clang" ]]; then
    echo "clang is missing; install the packages clang, llvm, libbpf-dev and bpftool." >&2
    exit 1
fi
mkdir -p "$out"
headers=$(mktemp -d)
trap 'rm -rf "$headers"' EXIT
if [[ "$types" == *.h ]]; then
    cp "$types" "$headers/vmlinux.h"
else
    bpftool btf dump file "$types" format c >"$headers/vmlinux.h"
fi
case ${3:-$(uname -m)} in
    arm64 | aarch64) machine=arm64 ;;
    *) machine=x86 ;;
esac
for source in "$here"/*.bpf.c; do
    object=$out/$(basename "${source%.c}").o
    "$clang" -target bpf -mcpu=v3 -O2 -g -Wall -Werror -Wno-missing-declarations "-D__TARGET_ARCH_$machine" \
        -I "$headers" -I "$here" -c "$source" -o "$object.new"
    llvm-strip -g "$object.new"
    mv "$object.new" "$object"
done
