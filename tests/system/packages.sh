#!/usr/bin/env bash
# packages.sh: the three packages made, judged and installed: lintian over Debian's; the rpm by rpm and Arch's by pacman
# into overlays over this system, whose systemctl only writes down what it is told. Everything a package brings is there
# and has no setuid or setgid bit, its programs run, and what is removed leaves people's data. By hand; needs root.
. "$(dirname "$0")/lib.sh"
cd "$top"

bin=$(realpath "${BIN:-$top/target/debug}")
if [ $# = 0 ]; then
    [ "$(id -u)" = 0 ] || { say "skipped: needs root"; exit 0; }
    need lintian lintian
    need rpmbuild rpm
    need bsdtar libarchive-tools
    need zstd zstd
    need pacman pacman-package-manager
    made=$(mktemp -d)
    trap 'rm -rf "$made"' EXIT
    for format in deb rpm arch; do BIN=$bin dist/$format "$made" >/dev/null; done
    lintian --allow-root --fail-on error,warning,info,pedantic "$made"/*.deb || die "lintian is not content"
    grep -q 'usr/share/zsh/vendor-completions/_rat$' <<<"$(dpkg-deb -c "$made"/*.deb)" || die "the deb has no completion for zsh"
    say "lintian is content"
    for format in rpm arch; do MADE=$made "$script" "$format"; done
    exit
fi

format=$1
in_overlay "$format"
cp "$MADE"/rat-* "$root/"
# No package manager but its own knows of the files.
rm -rf "$root"/var/lib/{rpm,pacman,rat}
mv "$root/usr/bin/systemctl" "$root/usr/bin/systemctl.real" 2>/dev/null || :
printf '#!/bin/sh\necho "$*" >>/systemctl\n' >"$root/usr/bin/systemctl"
chmod 755 "$root/usr/bin/systemctl"

case $format in
    rpm)
        in_root rpm -i --nodeps /rat-*.rpm
        files() { in_root rpm -ql rat; }
        sound() { in_root rpm -V --nodeps rat; }
        remove() { in_root rpm -e --nodeps rat; }
        ;;
    arch)
        printf '[options]\nArchitecture = auto\nSigLevel = Never\n' >"$root/etc/pacman.conf"
        mkdir -p "$root/var/lib/pacman"
        in_root pacman -U --noconfirm --noprogressbar -dd --overwrite '*' "/$(basename "$MADE"/rat-*.zst)" >"$scratch/pacman" 2>&1 ||
            { cat "$scratch/pacman" >&2; die "pacman refuses"; }
        files() { in_root pacman -Qlq rat | grep -v '/$'; }
        sound() { grep -q ' 0 altered files' <<<"$(in_root pacman -Qkk rat 2>&1)"; }
        remove() { in_root pacman -R --noconfirm -dd rat >/dev/null 2>&1; }
        ;;
esac

sound || die "a file is not as it was packed"
for file in $(files); do
    [ -e "$root$file" ] || [ -L "$root$file" ] || die "$file is missing"
    [ ! -u "$root$file" ] && [ ! -g "$root$file" ] || die "$file has a setuid or setgid bit"
done
for program in crontab at atq atrm anacron ratd rat; do
    grep -q "[0-9]\.[0-9]" <<<"$(in_root "$program" -V 2>&1)" || die "$program does not run"
done
for completion in bash-completion/completions/rat zsh/site-functions/_rat fish/vendor_completions.d/rat.fish; do
    grep -q 'rat list --json' "$root/usr/share/$completion" || die "no $completion that knows jobs"
done
[ -e "$root/etc/at.deny" ] && [ ! -s "$root/etc/at.deny" ] || die "no empty at.deny"

in_root useradd -m alice
"${into_root[@]}" ratd -n >"$scratch/ratd" 2>&1 &
ratd=$!
within 10 in_root rat status >/dev/null 2>&1 || { cat "$scratch/ratd" >&2; die "ratd does not run"; }
in_root su alice -s /bin/sh -c 'echo "0 0 1 1 * true" | crontab - && crontab -l && echo true | at noon tomorrow && echo true | batch' \
    >/dev/null 2>&1 || die "alice can use neither crontab nor at"
grep -q cron.daily <<<"$(in_root rat list)" || die "nothing runs what is in /etc/cron.daily"
in_root rat check /etc/anacrontab /etc/cron.d/0hourly >/dev/null 2>&1 || die "the crontabs are not well"
kill "$ratd"
wait "$ratd" || :

crontab=$(find "$root/var/spool/cron" -name alice)
remove
[ -n "$crontab" ] && [ -s "$crontab" ] || die "a crontab is gone"
[ -s "$root/var/lib/rat/rat.db" ] || die "the at queue is gone"
[ ! -e "$root/usr/bin/rat" ] && [ ! -L "$root/usr/bin/crontab" ] || die "programs stay"
grep -q 'disable --now ratd.socket ratd.service' "$root/systemctl" || die "nothing stops ratd"
say "$format: $(wc -l <"$root/systemctl") calls of systemctl; all is well"
