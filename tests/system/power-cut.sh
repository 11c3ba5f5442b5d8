#!/usr/bin/env bash
# power-cut.sh [CUTS]: the power goes right after `job N at` was printed, or while jobs are started; after each cut all
# that was acknowledged is there, nothing has run twice, and what cannot be known is lost and said to be. Under a kernel
# of its own (user-mode-linux) with ext4 on a disk image: what was not written when it is killed is gone.
. "$(dirname "$0")/lib.sh"
cd "$top"

cuts=${1:-10}
bin=$(realpath "${BIN:-target/debug}")
[ "$(id -u)" = 0 ] || { say "skipped: needs root"; exit 0; }
need linux.uml user-mode-linux
need mke2fs e2fsprogs
scratch=$(mktemp -d)
trap 'cut_power; rm -rf "$scratch"' EXIT
truncate -s 64M "$scratch/disk"
mke2fs -q -F -t ext4 "$scratch/disk"

# What the machine does, in lines on its console. It is cut while it submits jobs, or while jobs are started.
cat >"$scratch/init" <<END
#!/bin/bash
export PATH=$bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 RAT_ROOT=/mnt
mount -t proc proc /proc
mount -t tmpfs tmp /run
mount -t ext4 /dev/ubda /mnt
cd /run
for word in \$(cat /proc/cmdline); do [[ \$word != cut=* ]] || cut=\${word#cut=}; done
ratd -n 2>/run/log &
tries=0
until rat status >/dev/null 2>&1; do
    read -r -t 0.02 <> <(:)
    [ \$((tries += 1)) -lt 500 ] || { echo "broken: \$(tail -3 /run/log)"; break; }
done
# What was due is started and done, or given up.
while rat-atq | grep -v -e 2037 -e ' ! '; do read -r -t 0.05 <> <(:); done >/dev/null
rat-atq | sed -n 's/^\([0-9]*\).*/queued \1/p'
rat history -n 10 | sed -nE 's/^[^ ]+ +at-([0-9]+) .* (ok|lost|exit|not started).*/ended \1 \2/p'
echo checked
submit() {
    local token=\$1 said
    shift
    said=\$(rat-at "\$@" 2>&1) || { echo "broken: \$said \$(tail -3 /run/log)"; return; }
    said=\${said##*job }
    echo "acknowledged \${said%% *} \$token"
}
case \$cut in
submit-*) for i in 1 2 3 4 5; do echo true | submit - 03:00 2037-01-01; done ;;
start-*) for i in 1 2 3; do echo "echo ran \$cut-\$i >/dev/console" | submit "\$cut-\$i" now; done ;;
esac
while :; do read -r -t 1 <> <(:); done
END
chmod 755 "$scratch/init"

uml=
cut_power() {
    [ -z "$uml" ] || kill -KILL -- "-$uml" 2>/dev/null || :
    uml=
}

declare -A queued ended ran token
waiting=()  # acknowledged, and due only in years
started=()  # acknowledged before the last cut, and due at once

# One life of the machine, that ends with the power cut: after so many acknowledgements, and so many milliseconds.
live() {
    local cut=$1 after=$2 pause=$3 line console seen=0
    queued=() ended=()
    exec {console}< <(exec setsid linux.uml mem=160M root=/dev/root rootfstype=hostfs rootflags=/ ro \
        "init=$scratch/init" "ubda=$scratch/disk" "cut=$cut" con=null con0=null,fd:1 quiet umid="rat-$$" 2>&1 </dev/null)
    uml=$!
    while read -r -t 60 -u "$console" line || { [ -z "$uml" ] || die "cut $cut: silence for a minute"; false; }; do
        line=${line%$'\r'}
        case $line in
            "queued "*) queued[${line#queued }]=1 ;;
            "ended "*) read -r _ number how <<<"$line"; ended[$number]=$how ;;
            "ran "*) ran[${line#ran }]=$((${ran[${line#ran }]:-0} + 1)) ;;
            checked) check "$cut" ;;
            "acknowledged "*)
                read -r _ number name <<<"$line"
                if [ "$name" = - ]; then waiting+=("$number"); else started+=("$number"); token[$number]=$name; fi
                [ "$((seen += 1))" != "$after" ] || { read -r -t "$pause" <> <(:) || :; cut_power; }
                ;;
            broken*) die "cut $cut: $line" ;;
        esac
    done
    exec {console}<&-
}

# What the cut before left.
check() {
    local number
    for number in "${waiting[@]}"; do
        [ -n "${queued[$number]:-}" ] || die "before cut $1: job $number was acknowledged, and is not in the queue"
    done
    for number in "${started[@]}"; do
        case ${ended[$number]:-} in
            ok) [ "${ran[${token[$number]}]:-0}" = 1 ] || die "job $number is ok, and ran ${ran[${token[$number]}]:-0} times" ;;
            lost) lost=$((lost + 1)) ;;
            *) die "job $number was due before the cut, and is: ${ended[$number]:-nothing}" ;;
        esac
        runs=$((runs + 1))
    done
    started=()
    for number in "${!ran[@]}"; do
        [ "${ran[$number]}" = 1 ] || die "$number ran ${ran[$number]} times"
    done
}

lost=0 runs=0
RANDOM=${SEED:-$$}
for ((cut = 1; cut <= cuts; cut++)); do
    if ((cut % 2)); then
        live "submit-$cut" $((1 + RANDOM % 5)) 0.00$((RANDOM % 3))1
    else
        live "start-$cut" $((1 + RANDOM % 3)) 0.0$((RANDOM % 10))5
    fi
done
# The last life is cut as soon as it was looked at.
live "submit-last" 1 0
say "$cuts cuts: ${#waiting[@]} acknowledged jobs are all in the queue;" \
    "$runs jobs were cut while being started: $((runs - lost)) ran once, $lost are lost, none ran twice"
