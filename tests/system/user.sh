#!/usr/bin/env bash
# A user's own ratd under `systemd --user` in a booted tree: alice, who lingers, enables the unit of the package; her
# crontab, at-jobs and history are hers, beside the system's ratd, through a restart under a running job and a reboot.
. "$(dirname "$0")/lib.sh"
cd "$top"
bin=${BIN:-$top/target/debug}
boot systemd
# Of the package only what it installs: nothing of it is started.
BIN=$bin dist/stage deb "$root"

inside useradd -m alice
uid=$(inside id -u alice)
alice() { inside su alice -s /bin/sh -c "export XDG_RUNTIME_DIR=/run/user/$uid; cd; $*"; }
fail() { alice "systemctl --user status ratd; journalctl --user -n 20; rat history" >&2 || :; die "$*"; }
answers() { alice rat status >/dev/null 2>&1; }
pid_of() { alice "rat status --json $*" | grep -o '"pid":[0-9]*'; }
has() { [ "$(cat "$root/home/alice/$1" 2>/dev/null)" = "$2" ]; }

inside loginctl enable-linger alice
within 30 alice systemctl --user is-system-running --wait >/dev/null 2>&1 ||
    within 5 test -S "$root/run/user/$uid/systemd/private" || die "alice has no systemd"
alice systemctl --user enable -q --now ratd || fail "the unit does not start"
answers || fail "no client finds it"

alice 'echo "30 4 1 1 * id -un >>cron-ran" | crontab -' || fail "crontab"
alice 'rat run --wait id' || fail "rat run"
has cron-ran alice || fail "the crontab's job did not run as alice"
alice 'echo "id -un >at-ran" | at now' 2>/dev/null || fail "at"
within 20 has at-ran alice || fail "the at-job did not run"
[ "$(inside stat -c %a "/run/user/$uid/rat")" = 700 ] || fail "her directory is open to others"

# Beside the system's: alice's is found first, and the other one where it is asked for.
inside systemctl start ratd
[ "$(pid_of)" != "$(pid_of --root /)" ] || fail "there are not two"
echo '30 4 1 1 * alice true' >"$root/etc/cron.d/alice"
alice rat list | grep -q true && fail "the system's entry is in alice's own list"

alice 'echo "sleep 3; echo done >long-ran" | at now' 2>/dev/null
within 20 alice 'rat status --json | grep -q "\"running\":1"' || fail "the long job does not run"
before=$(pid_of)
alice systemctl --user restart ratd
[ "$(pid_of)" != "$before" ] || fail "no restart"
within 20 has long-ran 'done' || fail "the job did not outlive ratd"
within 20 alice 'rat status --json | grep -q "\"running\":0"' || fail "the end of the job was not collected"
alice systemctl --user reload ratd || fail "reload"

reboot_tree
within 30 answers || fail "it is not there after a reboot"
alice crontab -l | grep -q '>>cron-ran' || fail "the crontab is not there after a reboot"
say "alice's own ratd under systemd --user: all as it should be"
