#!/usr/bin/env bash
# ratd as process 1 of containers that give it next to nothing: a read-only root file system, a uid without a name, no
# /run, no /tmp, no /dev/log; by crun, and by bubblewrap as an ordinary user. The programs are where the Dockerfile puts
# them, over this system, of which nothing is written to; needs root.
. "$(dirname "$0")/lib.sh"
cd "$top"
bin=${BIN:-$top/target/debug}

if [ "${INSIDE:-}" != mounts ]; then
    [ "$(id -u)" = 0 ] || { say "skipped: needs root"; exit 0; }
    need crun crun
    need bwrap bubblewrap
    scratch=$(mktemp -d)
    trap 'rmdir "$scratch"' EXIT
    INSIDE=mounts SCRATCH=$scratch BIN=$bin unshare --mount --propagation private --pid --fork --kill-child \
        --mount-proc "$0"
    exit
fi

scratch=$SCRATCH
mount -t tmpfs -o mode=755 none "$scratch"
mkdir "$scratch"/{upper,over,root,work,map,bundle}
mount -t overlay overlay -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/over" "$scratch/root"
grep -o '/src/target/release/[a-z-]*' Dockerfile | while read -r program; do
    install -m 755 "$bin/${program##*/}" "$scratch/root/usr/local/bin/"
done
# Nobody has a name there.
rm -f "$scratch/root/etc/passwd"
# crun refuses a host that has both kinds of control groups.
if mountpoint -q /sys/fs/cgroup; then
    umount -R /sys/fs/cgroup 2>/dev/null || umount -l /sys/fs/cgroup
fi
mount -t cgroup2 none /sys/fs/cgroup
chmod 777 "$scratch/work"
mkfifo -m 666 "$scratch/work/gate"
uid=12345

# contain: starts the container by crun; its process 1 is $one
contain() {
    cat >"$scratch/bundle/config.json" <<EOF
{"ociVersion": "1.0.0", "hostname": "box",
 "root": {"path": "$scratch/root", "readonly": true},
 "process": {"terminal": false, "user": {"uid": $uid, "gid": 0}, "cwd": "/srv", "noNewPrivileges": true,
  "args": ["ratd", "/map/crontab"],
  "env": ["PATH=/usr/local/bin:/usr/bin:/bin", "FOO=from outside"]},
 "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}, {"type": "network"}]},
 "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
  {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
  {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777"]},
  {"destination": "/map", "source": "$scratch/map", "options": ["bind", "ro"]},
  {"destination": "/work", "source": "$scratch/work", "options": ["bind", "rw"]}]}
EOF
    rm -f "$scratch/pid"
    crun --root "$scratch/state" --cgroup-manager=disabled run --bundle "$scratch/bundle" --pid-file "$scratch/pid" \
        box >"$scratch/out" 2>"$scratch/err" &
    runtime=$!
    within 20 test -s "$scratch/pid" || fail "no container"
    one=$(cat "$scratch/pid")
}
fail() { cat "$scratch/out" "$scratch/err" >&2 || :; die "$*"; }
has() { grep -aq -e "$2" "$scratch/$1"; }
ask() { nsenter -t "$one" -m -p -n -S "$uid" -G 0 -- env -i PATH=/usr/local/bin:/usr/bin:/bin "$@"; }
zombies() { awk '/^State:.*Z/ { print FILENAME }' /proc/[0-9]*/status 2>/dev/null; }
no_zombies() { [ -z "$(zombies)" ]; }
# swap TABLE: another version of the ConfigMap, as it is put there
swap() {
    local version
    version=$(mktemp -d "$scratch/map/..XXXXXX")
    chmod 755 "$version"
    printf '%b' "$1" >"$version/crontab"
    ln -s "${version##*/}" "$scratch/map/..data_tmp"
    mv -T "$scratch/map/..data_tmp" "$scratch/map/..data"
    [ -e "$scratch/map/crontab" ] || ln -s ..data/crontab "$scratch/map/crontab"
}

swap '@reboot printf "\\\\377\\\\000|%s|%s|%s|" "$FOO" "$(id -u)" "$PWD"; printf "err|" >&2; exit 3
@reboot i=0; while [ $i -lt 20 ]; do sh -c "true &"; i=$((i+1)); done; echo buried > /work/done
@reboot read x < /work/gate; echo last >> /work/done
'
contain
within 20 test -s "$scratch/work/done" || fail "the jobs did not run"
within 20 has err '"event":"finish".*"exit":3' || fail "no end of the first job"
within 10 no_zombies || fail "zombies: $(zombies)"
cmp -s <(printf '\377\000|from outside|12345|/srv|') "$scratch/out" || fail "not what the job wrote"
has err 'err|{"ts"' || fail "not what the job complained of"
ask rat status >/dev/null || fail "no client finds it"
ask rat history | grep -q printf || fail "no client finds its history"
! ask touch /etc/rat 2>/dev/null || fail "the root file system can be written to"

swap '* * * * * * * echo swapped >> /work/swapped\n'
within 20 test -s "$scratch/work/swapped" || fail "another ConfigMap is not read"

kill -TERM "$one"
within 10 has err '"event":"stop"' || fail "TERM is not heard"
kill -0 "$one" || fail "it did not wait"
echo go >"$scratch/work/gate"
status=0
wait "$runtime" || status=$?
[ "$status" = 0 ] || fail "it ended with $status"
grep -q last "$scratch/work/done" || fail "the job that was waited for did not end"
odd=$(sed 's/^err|//' "$scratch/err" | grep -vcE '^\{"ts":"[0-9TZ:.-]+","level":"[a-z]+",.*"message":".*"\}$' || :)
[ "$odd" = 0 ] || fail "$odd lines of the log are no objects"

# As an ordinary user, whose file is mounted by itself; it is edited in place.
echo '* * * * * * * echo one' >"$scratch/alone"
chmod 644 "$scratch/alone"
setpriv --reuid=65534 --regid=65534 --clear-groups bwrap --unshare-all --as-pid-1 --die-with-parent \
    --ro-bind "$scratch/root" / --proc /proc --dev /dev --ro-bind "$scratch/alone" /etc/hostname --clearenv \
    --setenv PATH /usr/local/bin:/usr/bin:/bin --json-status-fd 9 ratd --wait 0s /etc/hostname \
    >"$scratch/out" 2>"$scratch/err" 9>"$scratch/json" &
runtime=$!
within 20 has out '^one$' || fail "nothing runs by bubblewrap"
echo '* * * * * * * echo two; exec sleep 60' >"$scratch/alone"
within 20 has out '^two$' || fail "an edit in place is not read"
one=$(grep -o '"child-pid": [0-9]*' "$scratch/json" | grep -o '[0-9]*')
kill -TERM "$one"
status=0
wait "$runtime" || status=$?
[ "$status" = 0 ] || fail "it ended with $status"
has err '"signal":15' || fail "the job was not asked to end"
say "process 1 by crun as uid $uid and by bubblewrap as nobody: all as it should be"
