#!/usr/bin/env bash
# Real mail through a real MTA, and PAM with the distribution's own modules: what alice's jobs say lands in her
# mailbox, an expired account is refused. In an overlay over this system that nothing of is left; needs root.
. "$(dirname "$0")/lib.sh"
cd "$top"

mta=${1:-dma}
bin=${BIN:-$PWD/target/debug}
in_overlay "$mta"
install -m 755 "$bin"/{ratd,rat,rat-at} "$root/usr/local/bin/"

cat >"$root/setup" <<EOF
set -e
echo localhost >/etc/mailname
printf 'dma dma/mailname string localhost\ndma dma/relayhost string\n' | debconf-set-selections
printf 'postfix postfix/main_mailer_type select Local only\npostfix postfix/destinations string localhost\n' |
    debconf-set-selections
echo 'exim4 exim4/dc_eximconfig_configtype select local delivery only; not on a network' | debconf-set-selections
apt-get update -qq
apt-get install -y -qq --no-install-recommends $mta libpam-modules >/dev/null
if [ $mta = postfix ]; then newaliases; postfix start; fi
useradd -m alice
useradd -m bob
chage -E 1 bob
EOF
in_root sh /setup >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; die "cannot install $mta"; }

cat >"$root/etc/pam.d/ratd" <<'EOF'
auth    required   pam_permit.so
account include    common-account
session required   pam_env.so readenv=1
session required   pam_limits.so
session include    common-session-noninteractive
EOF
echo 'RAT_OF_PAM=yes' >>"$root/etc/environment"
echo 'alice hard nofile 123' >"$root/etc/security/limits.d/rat.conf"
# Without it only root may use at.
: >"$root/etc/at.deny"
mkdir -p "$root/var/spool/cron/crontabs"
cat >"$root/etc/cron.d/mail" <<'EOF'
@reboot alice echo "grüße $RAT_OF_PAM $(ulimit -n)"
@reboot alice true
@reboot bob echo never
MAILTO=-oQ/tmp
@reboot alice echo unsafe
EOF
chmod 644 "$root/etc/cron.d/mail"

"${into_root[@]}" ratd --foreground >"$scratch/ratd" 2>&1 &
ratd=$!
trap 'kill "$ratd" 2>/dev/null || :' EXIT

show() { cat "$scratch/ratd" >&2; in_root rat history >&2 || :; }
box=$root/var/mail/alice
has() { grep -aq -- "$1" "$box" 2>/dev/null; }
within 30 has 'Subject: Cron <alice@' || { show; die "no mail of the entry"; }
in_root su alice -s /bin/sh -c 'cd; echo "echo from at" | rat-at -m now' 2>/dev/null ||
    { show; die "rat-at"; }
within 30 has 'Subject: Output from your job' || { show; die "no mail of the at-job"; }
for line in '^To: alice' '^Subject: Cron <alice@[^>]*> =?UTF-8?B?' '^Content-Type: text/plain; charset=UTF-8' \
    '^X-Rat-Exit: exited with status 0' '^grüße yes 123$' '^from at$'; do
    has "$line" || { cat "$box" >&2; die "not in the mailbox: $line"; }
done
[ "$(grep -ac '^Subject: ' "$box")" = 2 ] || { cat "$box" >&2; die "more mail than there should be"; }
in_root rat history --json | grep -q 'refused by PAM' || { show; die "bob was not refused"; }
echo "mail.sh: $mta delivered $(grep -ac '^Subject: ' "$box") mails; an expired account was refused by PAM"
