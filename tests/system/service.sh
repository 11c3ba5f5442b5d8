#!/usr/bin/env bash
# service.sh INIT: the package in a booted tree of systemd, sysvinit, openrc or runit. From cron and at to rat, a reboot,
# an upgrade under a running job, and back to cron; jobs as their users, with PAM, mail and the log, on the way.
. "$(dirname "$0")/lib.sh"
cd "$top"

init=${1:?systemd, sysvinit, openrc or runit}
bin=${BIN:-$top/target/debug}
boot "$init"
mkdir "$root/new"
for version in 0.1.0 0.1.1; do
    BIN=$bin VERSION=$version dist/deb "$root/new" >/dev/null
done

# expect WHAT COMMAND...: it succeeds, before the next minute is over
expect() {
    local what=$1
    shift
    within 75 "$@" >/dev/null 2>&1 && return
    say "expected, and not seen: $what" >&2
    {
        "$@" || :
        inside rat history || :
        tail -40 "$root/var/log/syslog" || inside journalctl -n 60 --no-pager || :
        tail -5 "$scratch/console"
    } >&2 2>&1
    exit 1
}
# shows PATTERN COMMAND...: what it prints has this in it
shows() {
    local pattern=$1
    shift
    grep -aq -e "$pattern" <<<"$("$@" 2>/dev/null | tr -d '\0')"
}
as() { local user=$1; shift; inside su "$user" -s /bin/sh -c "$*"; }
# The files are those of the tree.
install_package() {
    inside sh -c "apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends $*" >"$scratch/install" 2>&1 ||
        { cat "$scratch/install" >&2; die "cannot install $*"; }
}
packages() { inside dpkg-query -W -f '${Package} ${Status}\n' "$@" 2>/dev/null; }
is_mailed() { grep -aq -- "$2" "$root/var/mail/$1" 2>/dev/null; }
log() { if [ "$init" = systemd ]; then inside journalctl --no-pager -o short; else cat "$root/var/log/syslog"; fi; }
is_logged() { shows "$1" log; }
is_stopped() { ! inside pgrep -x ratd; }
# control ACTION: as an admin of this init does it
control() {
    case $init in
        openrc) inside rc-service ratd "$1" ;;
        runit) inside sv "$1" ratd ;;
        *) inside service ratd "$1" ;;
    esac
}
status_is() {
    local status=0
    control status >/dev/null 2>&1 || status=$?
    [ "$status" = "$1" ]
}
is_listed() { shows "\[ $1 \] *ratd" inside service --status-all; }

say "cron and at, with something in them"
cat >"$root/setup" <<'END'
set -e
useradd -m alice
useradd -m bob
chage -E 1 bob
echo 'RAT_OF_PAM=yes' >>/etc/environment
echo 'alice hard nofile 123' >/etc/security/limits.d/rat.conf
END
inside sh /setup
install_package '/packages/cron_*.deb' '/packages/at_*.deb'
printf 'MAILTO=alice\n* * * * * echo minute >>minutes\n' | as alice crontab -
# Without its daemon at only queues, which leaves a job to rat that is due already.
inside service atd stop >/dev/null 2>&1
as alice 'echo "echo \"queued with at: \$OF_AT\" >/home/alice/atjob" | OF_AT=env at now' 2>/dev/null
as alice 'echo "echo never" | at -q c noon tomorrow' 2>/dev/null
echo true | inside at -q B 23:59 2030-12-31 2>/dev/null
# Time, queue and owner of each job; the numbers are each program's own.
queue_of_at() { inside atq | cut -f 2 | sort; }
queue_of_at >"$scratch/queue"
[ "$(wc -l <"$scratch/queue")" = 3 ] || die "at queued no three jobs: $(cat "$scratch/queue")"
cp -a "$root/var/spool/cron/atjobs" "$scratch/atjobs"
cp -a "$root/var/spool/cron/crontabs/alice" "$scratch/alice.crontab"

say "to rat"
install_package '/new/rat_0.1.0-1_*.deb'
shows ' installed' packages cron at && die "cron or at is still installed"
# Debian's package has the scripts of the two inits that Debian supports.
case $init in
    openrc)
        inside service ratd stop >/dev/null
        install -m 755 dist/ratd.openrc "$root/etc/init.d/ratd"
        inside rc-update add ratd default >/dev/null
        control start >/dev/null
        ;;
    runit)
        inside service ratd stop >/dev/null
        inside update-rc.d ratd disable
        install -D -m 755 dist/ratd.runit "$root/etc/sv/ratd/run"
        inside ln -s /etc/sv/ratd /etc/service/ratd
        ;;
esac
expect "ratd runs" inside rat status
cmp "$scratch/alice.crontab" "$root/var/spool/cron/crontabs/alice" || die "the crontab was changed"
shows minute as alice crontab -l || die "crontab -l"
for program in crontab at batch atq atrm anacron ratd rat; do
    inside sh -c 'file=$(readlink -f "$(command -v "$1")") && [ -x "$file" ] && [ ! -u "$file" ] && [ ! -g "$file" ]' \
        sh "$program" || die "$program is missing, or has a setuid or setgid bit"
done

say "the queue of at"
expect "what at queued, and was due" grep -q 'queued with at: env' "$root/home/alice/atjob"
queue_of_at | cmp - <(grep -e ' c ' -e ' B ' "$scratch/queue") || die "not the queue that at had: $(inside atq)"
shows ' c alice$' as alice atq || die "alice has not her job"
shows ' B root$' as alice atq && die "alice has the job of root"
[ -z "$(ls "$root/var/spool/cron/atjobs")" ] || die "at would run these again: $(ls "$root/var/spool/cron/atjobs")"
# What is there once more is taken once, and goes only when it is to.
cp -a "$scratch"/atjobs/[a-zA-Z]* "$root/var/spool/cron/atjobs/"
shows '3' inside sh -c 'rat import at | grep -c "taken over before"' || die "a job is taken twice"
diff -r "$scratch/atjobs" "$root/var/spool/cron/atjobs" | grep -v 'atjobs: \.SEQ' && die "the queue of at was changed"
inside rat import at --remove >/dev/null || die "rat import at --remove"
[ -z "$(ls "$root/var/spool/cron/atjobs")" ] || die "rat import at --remove leaves $(ls "$root/var/spool/cron/atjobs")"
queue_of_at | cmp - <(grep -e ' c ' -e ' B ' "$scratch/queue") || die "another queue after that: $(inside atq)"

say "the service: status, reload, stop and start"
case $init in
    systemd)
        complaints=$(inside systemd-analyze verify --man=no ratd.service ratd.socket 2>&1) && [ -z "$complaints" ] ||
            die "systemd-analyze verify: $complaints"
        [ "$(inside systemctl show -P ActiveState ratd)" = active ] || die "not active"
        shows 'Status: "[0-9]* jobs, [0-9]* running' inside systemctl status ratd || die "no STATUS"
        status_is 0 || die "service ratd status"
        ;;
    sysvinit)
        status_is 0 || die "service ratd status"
        is_listed + || die "service --status-all shows no +"
        control start || die "start, when it runs already"
        ;;
    openrc) shows started control status || die "rc-service ratd status" ;;
    runit) expect "sv status" shows '^run: ratd' control status ;;
esac
echo '@yearly root true' >"$root/etc/cron.d/reloaded"
control reload >/dev/null || die "reload"
expect "the new file after a reload" is_logged 'RELOAD (/etc/cron.d/reloaded)'
if [ "$init" = systemd ]; then
    [ "$(inside systemctl show -P ActiveState ratd)" = active ] || die "not active after a reload"
fi
control stop >/dev/null
expect "that it stopped" is_stopped
[ "$init" = runit ] || status_is 3 || die "the status, when stopped, is not 3"
if [ "$init" = sysvinit ]; then
    is_listed - || die "service --status-all shows no -"
    control stop || die "stop, when it is stopped already"
fi
if as alice crontab -l >/dev/null 2>&1; then die "a client started ratd, which was stopped"; fi
control start >/dev/null
expect "ratd again" inside rat status
if [ "$init" = systemd ]; then
    say "the socket, the watchdog"
    inside systemctl stop ratd
    inside systemctl start ratd.socket
    shows '^ratd' inside rat status || die "a client of the socket alone does not start ratd"
    inside sh -c 'systemctl restart ratd & while kill -0 $! 2>/dev/null; do rat status >/dev/null || exit; done; wait $!' ||
        die "a client was refused during a restart"
    mkdir -p "$root/etc/systemd/system/ratd.service.d"
    printf '[Service]\nWatchdogSec=1s\n' >"$root/etc/systemd/system/ratd.service.d/watchdog.conf"
    inside systemctl daemon-reload
    inside systemctl restart ratd
    before=$(inside cat /run/ratd.pid)
    inside kill -STOP "$before"
    is_another_ratd() { [ "$(inside cat /run/ratd.pid)" != "$before" ]; }
    expect "that a ratd which does not turn is replaced" is_another_ratd
    rm -r "$root/etc/systemd/system/ratd.service.d"
    inside systemctl daemon-reload
    inside systemctl restart ratd
fi
if [ "$init" = sysvinit ]; then
    inside sh -c 'kill -9 "$(cat /run/ratd.pid)"'
    expect "status 1: dead, with a pid file" status_is 1
    control start >/dev/null
    status_is 0 || die "start after a crash"
    control restart >/dev/null || die "restart"
    control force-reload >/dev/null || die "force-reload"
fi

say "jobs as their users: PAM, mail, log"
cat >"$root/etc/cron.d/facts" <<'END'
@reboot alice echo "facts $(id -un) $RAT_OF_PAM $(ulimit -n) $(cat /proc/self/loginuid) $(env | grep -c -E 'NOTIFY|LISTEN|WATCHDOG|JOURNAL')"
@reboot bob echo never
END
printf '1 0 of-the-tree echo "period $(id -un)"\n' >"$root/etc/anacrontab"
echo 'echo "from at: $(id -un)"' | as alice at -m now 2>/dev/null
expect "the mail of an at-job" is_mailed alice '^from at: alice'
expect "the minute job's run" grep -q minute "$root/home/alice/minutes"
expect "the period job" shows 'ok .* period root' inside rat history
expect "its stamp" grep -q "^$(inside date +%Y)" "$root/var/spool/anacron/of-the-tree"
expect "the log line that cron writes" is_logged 'CRON\[[0-9]*\]: (alice) CMD (echo minute >>minutes)'
if [ "$init" = systemd ]; then
    expect "fields in the journal" shows CMDEND inside journalctl --no-pager -q -o cat RAT_OWNER=alice RAT_EVENT=finish RAT_EXIT=0
    shows . inside bash -c '. /usr/share/bash-completion/completions/rat; COMP_WORDS=(rat history ""); COMP_CWORD=2
        _rat_and_jobs rat "" history; printf "%s\n" "${COMPREPLY[@]}"' || die "no job is completed"
fi

say "a reboot"
echo 'echo after the reboot' | as alice at -m now + 1 minute 2>/dev/null
reboot_tree
expect "ratd after the reboot" inside rat status
expect "the facts of a job" is_mailed alice "^facts alice yes 123 $(inside id -u alice) 0\$"
expect "the at-job that was queued before it" is_mailed alice '^after the reboot'
expect "that an expired account is refused" shows 'refused by PAM' inside rat history --json
is_mailed bob never && die "an expired account has run a job"

say "an upgrade under a running job"
inside mkfifo -m 644 /tmp/go
echo ': >/tmp/running; read go </tmp/go; echo outlived it; exit 7' | as alice at -m now 2>/dev/null
expect "the job" inside test -e /tmp/running
before=$(inside cat /run/ratd.pid)
install_package '/new/rat_0.1.1-1_*.deb'
# The package knows nothing of a service that an admin made.
[ "$init" != runit ] || control restart
[ "$(inside cat /run/ratd.pid)" != "$before" ] || die "ratd was not restarted"
shows ' 1 running' inside rat status || die "the job was not adopted"
inside sh -c 'echo >/tmp/go'
expect "its mail" is_mailed alice '^outlived it'
expect "its exit status in the history" shows ' exit 7 .* outlived it' inside rat history

say "back to cron"
echo true | as alice at now + 1 day 2>/dev/null
install_package '/packages/cron_*.deb'
shows 'these at-jobs stay' cat "$scratch/install" || die "nobody was told what becomes of the at-jobs"
shows ' installed' packages rat && die "rat is still installed"
expect "cron" inside service cron status
expect "no ratd" is_stopped
shows minute as alice crontab -l || die "the crontab is gone"
inside dpkg -P rat >/dev/null 2>&1 || die "purge"
inside service cron status >/dev/null || die "the purge stopped cron"
shows minute as alice crontab -l || die "the purge took the crontab"
cmp "$scratch/alice.crontab" "$root/var/spool/cron/crontabs/alice" || die "the crontab was changed"
[ -e "$root/var/lib/rat/rat.db" ] || die "the purge took at-jobs that wait"
[ ! -e "$root/etc/init.d/ratd" ] || die "the purge left its configuration"
say "$init: all is well"
