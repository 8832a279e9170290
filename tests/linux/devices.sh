#!/bin/sh
#
# /init of scripts/linux-devices: loads the modules of a row, does its work with
# the device behind the IOMMU, and says on the console what came of it, in lines
# that must be the same on every IOMMU.  busybox is all there is.
#
# SPDX-License-Identifier: GPL-2.0-or-later

PATH=/bin
export PATH
PCI=/sys/bus/pci
NETWORK=192.168.7
MIB=4                   # of the pattern

say() {
    echo "lu-device: $*" > /dev/console
}

# Drivers take their time, and more on a busy host.
until_true() {
    tries=0
    until "$@" 2> /dev/null; do
        tries=$((tries + 1))
        if [ $tries -gt 600 ]; then
            say "in vain: $*"
            return 1
        fi
        sleep 0.1
    done
}

sum() {
    md5sum | cut -d ' ' -f 1
}

# What devices other than lu-vm's have for a domain
domains() {
    for link in "$PCI"/devices/*/iommu_group; do
        [ -e "$link" ] || continue
        device=${link%/iommu_group}
        case $(cat "$device/vendor") in
        0x1234) ;;
        *) echo "lu-domain: ${device##*/} $(cat "$link/type")" > /dev/console
        esac
    done
}

read_pieces() {
    for part in 0 1 2 3; do
        dd if="$1" bs="$2k" count=$((MIB * 1024 / $2)) \
            skip=$((part * MIB * 1024 / $2)) 2> /dev/null | sum \
            > /tmp/sum.$part &
    done
    wait
    cat /tmp/sum.? | sum
}

# disk NAME: streams beside each other, out and, past all caches, in again, in
# pieces of several sizes
disk() {
    until_true [ -b "/dev/$1" ] || return
    for part in 0 1 2 3; do
        dd if=/pattern of="/dev/$1" bs=64k seek=$((part * MIB * 16)) \
            conv=notrunc 2> /dev/null &
    done
    wait
    sync
    for size in 4 64 1024; do
        echo 3 > /proc/sys/vm/drop_caches
        say "$1 in pieces of $size KiB: $(read_pieces "/dev/$1" $size)"
    done
}

# network NAME NAME: the second has a network stack of its own, so that what is
# sent to it leaves the first
network() {
    until_true [ -e "/sys/class/net/$1" ] || return
    until_true [ -e "/sys/class/net/$2" ] || return
    unshare -n sleep 100000 &
    peer=$!
    sleep 1
    ip link set "$2" netns $peer
    ip address add $NETWORK.1/24 dev "$1"
    ip link set "$1" up
    nsenter -t $peer -n ip address add $NETWORK.2/24 dev "$2"
    nsenter -t $peer -n ip link set "$2" up
    until_true ping -q -c 1 -W 1 $NETWORK.2 > /dev/null || return
    ping -q -c 20 -i 0.05 -s 8000 $NETWORK.2 > /dev/null
    say "$1 to $2: ping ends with $?"
    # One way at a time: each end of nc reads nothing while it cannot write, and
    # ends when the other has no more to say.
    mkfifo /tmp/quiet
    exec 3<> /tmp/quiet
    nsenter -t $peer -n nc -l -p 7 < /tmp/quiet > /tmp/there &
    listener=$!
    until_true connect /pattern /dev/null && wait $listener
    nsenter -t $peer -n nc -l -p 7 < /pattern > /dev/null &
    listener=$!
    until_true connect /tmp/quiet /tmp/back && wait $listener
    say "$1 to $2: $(sum < /tmp/there), back $(sum < /tmp/back)"
    kill $peer
}

connect() {
    nc $NETWORK.2 7 < "$1" > "$2"
}

# rebind ADDRESS NAME: the driver of a disk comes and goes while it reads
rebind() {
    until_true [ -b "/dev/$2" ] || return
    driver=$(readlink "$PCI/devices/$1/driver")
    driver=${driver##*/}
    for _ in 1 2 3; do
        dd if="/dev/$2" of=/dev/null bs=64k 2> /dev/null &
        sleep 0.1
        echo "$1" > "$PCI/drivers/$driver/unbind"
        wait
        echo "$1" > "$PCI/drivers/$driver/bind"
        until_true [ -b "/dev/$2" ] || return
    done
    say "$2 was bound three times more"
}

gone() {
    [ ! -e "/dev/$1" ]
}

# unplug SLOT NAME: the slot's power is switched off while its disk reads
unplug() {
    until_true [ -b "/dev/$2" ] || return
    dd if="/dev/$2" of=/dev/null bs=64k 2> /dev/null &
    sleep 0.1
    echo 0 > "$PCI/slots/$1/power"
    wait
    until_true gone "$2" && say "$2 was unplugged"
}

# random: bytes of a source, which tells nobody what they are
random() {
    until_true [ -c /dev/hwrng ] || return
    say "$(dd if=/dev/hwrng bs=4k count=32 iflag=fullblock 2> /dev/null |
        wc -c) random bytes"
}

/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
for _ in $(seq $MIB); do
    dd if=/bin/busybox bs=64k count=16 conv=sync 2> /dev/null
done > /pattern
while read -r module; do
    insmod "/modules/$module" || say "no module $module"
done < /modules/order
# shellcheck disable=SC1091
. /work
domains
dmesg | sed -n 's/^\[[^]]*\] *\(DMAR: \[DMA.*\|arm-smmu-v3.*event.*\)/\1/p' |
    sort -u | head -5 | while read -r line; do
    say "$line"
done
say finished
poweroff -f
