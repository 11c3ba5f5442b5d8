#!/usr/bin/env bash
# The log as cron wrote it: into rsyslog, inetutils-syslogd and busybox's syslogd, each with Debian's cron and with ratd
# on the same crontabs, the same words. Then those who read such logs: logwatch knows every line of a quiet day, and
# fail2ban takes none for another program's, whatever people write in their crontabs. In an overlay; needs root.
. "$(dirname "$0")/lib.sh"
cd "$top"

bin=${BIN:-$top/target/debug}
in_overlay
install -m 755 "$bin"/{ratd,rat,rat-crontab,rat-at} "$root/usr/local/sbin/"

cat >"$root/setup" <<'END'
set -e
apt-get -qq update
apt-get -qq -y install --no-install-recommends busybox rsyslog python3 perl
mkdir /packages
cd /packages
apt-get -qq -o APT::Sandbox::User=root download cron inetutils-syslogd logwatch fail2ban
# None of these can be beside what is here, nor has to be installed to be run.
for package in *.deb; do dpkg-deb -x "$package" "${package%%_*}"; done
cp -a logwatch/usr/share/logwatch /usr/share/
useradd -m alice
useradd -m bob
useradd -M homeless
echo bob >/etc/cron.deny
: >/etc/at.deny
printf 'auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n' >/etc/pam.d/cron
END
in_root sh /setup >"$scratch/setup" 2>&1 || { cat "$scratch/setup" >&2; die "cannot install the packages"; }

# Everything a log can be spoilt with; what only one of the two would say is not in it.
write_crontabs() {
    rm -rf "$root"/etc/cron.d "$root"/var/spool/cron "$root"/run/* "$root"/var/log/cron* "$root"/var/lib/rat
    mkdir -p "$root/etc/cron.d" "$root/var/spool/cron/crontabs"
    chmod 1730 "$root/var/spool/cron/crontabs"
    chgrp crontab "$root/var/spool/cron/crontabs" 2>/dev/null || :
    {
        echo 'MAILTO=""'
        echo '@reboot alice echo plain'
        printf '@reboot alice echo "tab\tin it" \\%%d \047quoted\047\n'
        echo '@reboot alice echo grüße'
        printf '@reboot alice echo \001\033[31m\377\n'
        echo '@reboot alice cat%one line%another'
        printf '@reboot alice : %0600d\n' 0
        echo '@reboot alice : sshd[1]: Failed password for root from 192.0.2.1 port 22 ssh2'
        echo '@reboot root sshd[1]: Failed password for root from 192.0.2.1 port 22 ssh2'
    } >"$root/etc/cron.d/words"
    chmod 644 "$root/etc/cron.d/words"
}

# start_logger NAME: it writes what is of cron to /var/log/cron.log
start_logger() {
    rm -f "$root/dev/log"
    case $1 in
        rsyslog)
            echo 'template(name="all" type="string" string="%timestamp% %hostname% %syslogfacility-text%.%syslogseverity-text% %syslogtag%%msg:::drop-last-lf%\n")
                cron.* action(type="omfile" file="/var/log/cron.log" template="all")' >"$root/etc/rsyslog.d/cron.conf"
            sed -i '/^cron\./d' "$root/etc/rsyslog.conf"
            "${into_root[@]}" rsyslogd -n >/dev/null 2>&1 &
            ;;
        inetutils)
            echo 'cron.* /var/log/cron.log' >"$root/etc/syslog.conf"
            "${into_root[@]}" /packages/inetutils-syslogd/usr/sbin/syslogd --no-detach --no-klog --no-forward >/dev/null 2>&1 &
            ;;
        busybox) "${into_root[@]}" busybox syslogd -n -O /var/log/cron.log >/dev/null 2>&1 & ;;
    esac
    logger=$!
    within 10 test -S "$root/dev/log" || die "$1 does not listen"
}

# What people do with crontab, by a program of that path.
use_crontab() {
    local crontab=$1
    in_root su alice -s /bin/sh -c "echo '0 0 1 1 * true' | $crontab -; $crontab -l; $crontab -r" >/dev/null
    in_root su bob -s /bin/sh -c "$crontab -l" >/dev/null 2>&1 || :
}

# Without the time and the pid, which are what two runs cannot have in common; in no order, for jobs have none.
words() {
    sed -E -e 's/^.{15} //' -e 's/\[[0-9]+\]: /[PID]: /' "$root/var/log/cron.log" 2>/dev/null |
        grep -aE '\) (CMD|LIST|REPLACE|DELETE|AUTH|INFO) \(' |
        # Of what they say of themselves only this is the same.
        grep -avE '\) INFO \([^R]' | LC_ALL=C sort
}
is_logged() { grep -aq -e "$1" "$root/var/log/cron.log"; }
counts() { [ "$(words | wc -l)" -ge "$1" ]; }

end() { kill "$1" 2>/dev/null || :; wait "$1" 2>/dev/null || :; }

for name in rsyslog inetutils busybox; do
    write_crontabs
    start_logger "$name"
    "${into_root[@]}" /packages/cron/usr/sbin/cron -f >/dev/null 2>&1 &
    daemon=$!
    within 10 counts 9 || { cat "$root/var/log/cron.log" >&2; die "cron has not run its jobs"; }
    install -m 2755 "$root/packages/cron/usr/bin/crontab" "$root/usr/local/bin/crontab"
    use_crontab /usr/local/bin/crontab
    within 10 counts 13 || { cat "$root/var/log/cron.log" >&2; die "crontab does not log"; }
    words >"$scratch/$name.cron"
    end "$daemon"
    end "$logger"

    write_crontabs
    start_logger "$name"
    "${into_root[@]}" ratd -n >"$scratch/ratd" 2>&1 &
    daemon=$!
    within 10 in_root rat status >/dev/null 2>&1
    use_crontab rat-crontab
    within 10 counts 13 || { cat "$root/var/log/cron.log" "$scratch/ratd" >&2; die "ratd does not log"; }
    words >"$scratch/$name.rat"
    diff -u "$scratch/$name.cron" "$scratch/$name.rat" >&2 || die "$name: not the words of cron"
    say "$name: $(wc -l <"$scratch/$name.rat") lines as Debian's cron writes them"
    if [ "$name" = inetutils ]; then
        echo '0 0 1 1 * alice true' >>"$root/etc/cron.d/words"
        within 10 is_logged 'RELOAD (/etc/cron.d/words)' || die "no line of a crontab that changed"
        in_root su alice -s /bin/sh -c 'echo exit 7 | rat-at now' 2>/dev/null
        within 10 is_logged 'CMDEND (.* exited with status 7)' || die "no line of the at-job"
        in_root sh -c 'kill "$(cat /run/ratd.pid)"'
        within 10 is_logged 'INFO (Shutting down)' || die "no line of the end"
        cp "$root/var/log/cron.log" "$root/quiet"
    fi
    end "$daemon"
    end "$logger"
done

# logwatch shows what it does not know as such.
rm "$root"/var/log/{cron*,syslog}
mkdir -p "$root/var/cache/logwatch" "$root/logs"
cp "$root/quiet" "$root/logs/cron"
in_root perl /usr/share/logwatch/scripts/logwatch.pl --service cron --logdir /logs --range all --detail 10 --output stdout \
    >"$scratch/logwatch" 2>&1
grep -q 'echo plain: 1 Time(s)' "$scratch/logwatch" || { cat "$scratch/logwatch" >&2; die "logwatch knows no command"; }
if grep -qi unmatched "$scratch/logwatch"; then
    cat "$scratch/logwatch" >&2
    die "logwatch does not know these lines"
fi
say "logwatch knows all $(wc -l <"$root/quiet") lines of a quiet day"

# fail2ban has no filter for cron; none of those it has may find in a command what another program would have said.
matches() {
    in_root env PYTHONPATH=/packages/fail2ban/usr/lib/python3/dist-packages \
        python3 /packages/fail2ban/usr/bin/fail2ban-regex -c /packages/fail2ban/etc/fail2ban "$1" "$2" |
        sed -n 's/^Lines: .* \([0-9]*\) matched.*/\1/p'
}
sed 's/CRON\(\[[0-9]*\]: \).*\(Failed password.*\))/sshd\1\2/' "$root/quiet" >"$root/control"
[ "$(matches /control sshd)" = 2 ] || die "fail2ban's filter of sshd finds nothing at all"
for filter in sshd 'sshd[mode=aggressive]' pam-generic dropbear recidive; do
    [ "$(matches /quiet "$filter")" = 0 ] || die "fail2ban takes a line for one of $filter"
done
say "fail2ban takes none of them for a line of another program"
