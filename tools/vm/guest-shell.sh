# SPDX-License-Identifier: Apache-2.0
# Root shell of the VM tests, given to the guest by credential; the image does not contain it.
# One request a line:  ID SECONDS BASE64-COMMAND      One answer a line:  @ID STATUS :BASE64-OUT :BASE64-ERR
# Output goes through /run, so that neither a full disk nor a child left behind can block an answer.
find_port() { # by sysfs, since udev makes its links late
    for at in /sys/class/virtio-ports/*; do
        read -r name <"$at/name" && [ "$name" = jepa.test ] && echo "/dev/${at##*/}"
    done
}
export HOME=/root LANG=C.UTF-8 SYSTEMD_COLORS=0 SYSTEMD_PAGER= TERM=dumb
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
shell=$(command -v bash || echo sh)
cd /
while :; do
    port=$(find_port 2>/dev/null)
    [ -c "$port" ] || { sleep 0.2; continue; }
    exec 3<>"$port"
    while read -r id limit command <&3; do
        [ -n "$command" ] || continue # the rest of a line whose beginning was lost
        printf '%s' "$command" | base64 -d >/run/jepa-test.command
        timeout -k 5 "$limit" "$shell" /run/jepa-test.command \
            </dev/null >/run/jepa-test.out 2>/run/jepa-test.err 3>&-
        status=$?
        {
            printf '@%s %s :' "$id" "$status"
            base64 /run/jepa-test.out | tr -d '\n'
            printf ' :'
            base64 /run/jepa-test.err | tr -d '\n'
            printf '\n'
        } >&3
    done
    exec 3>&-
    sleep 0.2 # the host end is closed, or the port is not ready
done
