# shellcheck shell=bash
# Where the tests of the system run: Debian trees that boot a real init in namespaces of their own, and overlays over this
# very system. To be sourced; needs root, and installs what it needs.
#
#   boot INIT               builds the tree of this init once, and boots it: systemd, sysvinit, openrc or runit
#   inside COMMAND...       runs a command in it as root, with its exit status
#   reboot_tree             reboots it from inside
#   in_overlay ARGUMENT...  goes on in an overlay over this system, where in_root runs a command
#   within SECONDS COMMAND...   until the command succeeds
#
# A tree is never written to: what a boot writes goes to an overlay that is gone with the script.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
trees=${RAT_TREES:-/var/tmp/rat-trees}
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
script=$(realpath "$0")
self=${script##*/}

say() { printf '%s: %s\n' "$self" "$*"; }
die() { say "$*" >&2; exit 1; }

# need COMMAND PACKAGE...: installs the packages where the command is missing
need() {
    local lock
    command -v "$1" >/dev/null && return
    exec {lock}>"${TMPDIR:-/tmp}/rat-need.lock"
    # Another test may be installing the same.
    flock "$lock"
    command -v "$1" >/dev/null && { exec {lock}>&-; return; }
    shift
    # Nothing that is installed here shall start a daemon on this very machine.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d
    fi
    apt-get -qq -o DPkg::Lock::Timeout=600 update
    apt-get -qq -y -o DPkg::Lock::Timeout=600 install --no-install-recommends "$@" >/dev/null
    exec {lock}>&-
}

within() {
    local until=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$until" ] || return 1
        read -r -t 0.1 <> <(:) || :
    done
}

# in_overlay ARGUMENT...: starts the script that calls it anew, in mounts and processes of its own. $root is then an
# overlay over this system with a /run and a /tmp that are empty; of what is done there and started nothing is left.
in_overlay() {
    if [ "${INSIDE:-}" != overlay ]; then
        [ "$(id -u)" = 0 ] || { say "skipped: needs root"; exit 0; }
        scratch=$(mktemp -d)
        trap 'rmdir "$scratch"' EXIT
        INSIDE=overlay SCRATCH=$scratch unshare --mount --propagation private --pid --fork --kill-child "$script" "$@"
        exit
    fi
    scratch=$SCRATCH root=$SCRATCH/root
    # What is started in the background by these words has $! for its own pid.
    into_root=(chroot "$root" env -i HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
    mount -t tmpfs none "$scratch"
    mkdir "$scratch"/{upper,work,root}
    mount -t overlay overlay -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" "$root"
    mount -t proc none "$root/proc"
    mount -t tmpfs none "$root/run"
    mount -t tmpfs -o mode=1777 none "$root/tmp"
    # A /dev of its own, so that /dev/log is one, too.
    mount -t tmpfs -o mode=755 none "$root/dev"
    for device in null zero full random urandom tty; do
        : >"$root/dev/$device"
        mount --bind "/dev/$device" "$root/dev/$device"
    done
    ln -s /proc/self/fd "$root/dev/fd"
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    # What this system has of its own to run is not for the test.
    rm -rf "$root"/etc/cron* "$root"/etc/anacrontab "$root"/var/spool/cron
    mkdir -p "$root/etc/cron.d"
}

# in_root COMMAND...: as root, in the overlay
in_root() { "${into_root[@]}" "$@"; }

packages_of() {
    local all=passwd,procps,util-linux,libpam-modules,login,bsdutils,dma,cron-daemon-common
    case $1 in
        systemd) echo "systemd,systemd-sysv,dbus,libpam-systemd,$all" ;;
        sysvinit) echo "sysvinit-core,sysvinit-utils,initscripts,insserv,startpar,inetutils-syslogd,$all" ;;
        openrc) echo "sysvinit-core,sysvinit-utils,openrc,inetutils-syslogd,$all" ;;
        runit) echo "runit-init,runit,sysvinit-utils,initscripts,insserv,startpar,inetutils-syslogd,$all" ;;
        *) die "no such init: $1" ;;
    esac
}

# Builds the tree; below its /packages are those of Debian that a test installs and removes.
make_tree() {
    local tree=$trees/$1 sources
    [ ! -e "$tree.done" ] || return 0
    need mmdebstrap mmdebstrap
    say "building the tree of $1"
    rm -rf "$tree"
    mkdir -p "$trees"
    sources=/etc/apt/sources.list
    [ -e "$sources" ] || sources=/etc/apt/sources.list.d/debian.sources
    # shellcheck disable=SC2016 # it is for the shell that mmdebstrap starts
    mmdebstrap --quiet --variant=minbase --include="$(packages_of "$1")" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --customize-hook='mkdir "$1/packages" && chroot "$1" sh -c "cd /packages && apt-get -qq -o APT::Sandbox::User=root download cron at"' \
        "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$tree" "$sources"
    case $1 in
        systemd)
            for unit in console-getty.service getty.target apt-daily.timer apt-daily-upgrade.timer \
                e2scrub_all.timer dpkg-db-backup.timer systemd-networkd.service; do
                ln -sf /dev/null "$tree/etc/systemd/system/$unit"
            done
            : >"$tree/etc/machine-id"
            ;;
        sysvinit | openrc) sed -i -E 's/^([1-6]:|ca::|T[0-9]:)/#\1/' "$tree/etc/inittab" ;;
        runit) rm -f "$tree"/etc/runit/runsvdir/default/getty-tty* ;;
    esac
    echo localhost >"$tree/etc/mailname"
    echo "127.0.0.1 localhost" >"$tree/etc/hosts"
    : >"$tree.done"
}

# A directory of our own in each cgroup hierarchy, so that the tree's init does not move processes of others.
own_cgroups() {
    awk -v name="rat-$$" '
        NR == FNR { split($0, f, ":"); c = f[2]; sub(/^name=/, "", c); path[c] = f[3] == "/" ? "" : f[3]; next }
        $3 == "cgroup2" { print $2 path[""] "/" name }
        $3 == "cgroup" {
            k = split($4, o, ",")
            for (i = 1; i <= k; i++) { c = o[i]; sub(/^name=/, "", c)
                if (c in path) { print $2 path[c] "/" name; break } }
        }' /proc/self/cgroup /proc/mounts
}

boot() {
    [ "$(id -u)" = 0 ] || { say "skipped: needs root"; exit 0; }
    need systemd-nspawn systemd-container
    init=$1
    make_tree "$init"
    scratch=$(mktemp -d "$trees/boot.XXXXXX")
    root=$scratch/root
    mkdir "$scratch"/{upper,work,root}
    trap halt EXIT
    mount -t overlay overlay -o "lowerdir=$trees/$init,upperdir=$scratch/upper,workdir=$scratch/work" "$root"
    own_cgroups >"$scratch/cgroups"
    start_init
}

# nspawn ends with 133 when what it runs asks for a reboot.
start_init() {
    setsid bash -c '
        scratch=$1
        for directory in $(cat "$scratch/cgroups"); do
            mkdir -p "$directory" 2>/dev/null && echo $$ >"$directory/cgroup.procs"
        done 2>/dev/null
        while :; do
            systemd-nspawn -q -b -D "$scratch/root" --machine="rat-$2" --hostname=tree --register=no --keep-unit \
                --link-journal=no --resolv-conf=off --timezone=off --private-network \
                </dev/null >>"$scratch/console" 2>&1 &
            echo $! >"$scratch/nspawn"
            wait $!
            [ $? = 133 ] || exit
        done' rat-boot "$scratch" "$$" </dev/null >/dev/null 2>&1 &
    within 60 is_up || { tail -20 "$scratch/console" >&2; die "$init did not come up"; }
}

# The tree's process 1, as it is seen from here.
leader() { pgrep -P "$(cat "$scratch/nspawn" 2>/dev/null)" 2>/dev/null | head -1; }

inside() {
    local leader
    leader=$(leader)
    [ -n "$leader" ] || return 125
    nsenter -t "$leader" -m -u -i -n -p -C -r -w -- env -i HOME=/root TERM=dumb LC_ALL=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

is_up() {
    case $init in
        systemd) [[ $(inside systemctl is-system-running 2>/dev/null) =~ ^(running|degraded)$ ]] ;;
        sysvinit) inside sh -c '[ "$(runlevel | cut -c3)" = 2 ] && ! pgrep -x "rc|startpar"' >/dev/null 2>&1 ;;
        openrc) inside sh -c '[ "$(rc-status -r)" = default ] && ! pgrep -x openrc' >/dev/null 2>&1 ;;
        runit) inside pgrep -x runsvdir >/dev/null 2>&1 ;;
    esac
}

reboot_tree() {
    local before
    before=$(leader)
    case $init in
        systemd) inside systemctl reboot ;;
        runit) inside init 6 ;;
        *) inside reboot ;;
    esac >/dev/null 2>&1 || :
    is_another() { local now; now=$(leader); [ -n "$now" ] && [ "$now" != "$before" ]; }
    within 30 is_another || die "no reboot"
    within 60 is_up || { tail -20 "$scratch/console" >&2; die "$init did not come up again"; }
}

# The end of the script is the end of the tree, whatever state it is in.
halt() {
    local leader directory
    leader=$(leader || :)
    [ -z "$leader" ] || kill -KILL "$leader" 2>/dev/null || :
    is_gone() { ! kill -0 "$(cat "$scratch/nspawn" 2>/dev/null || echo 999999)" 2>/dev/null; }
    within 10 is_gone || :
    within 10 umount "$root" 2>/dev/null || umount -l "$root" || :
    for directory in $(cat "$scratch/cgroups"); do
        find "$directory" -depth -type d -exec rmdir {} \; 2>/dev/null || :
    done
    rm -rf "$scratch"
}
