#!/usr/bin/env bash
# completions.sh: bash, zsh and fish, each on a terminal, complete a verb, an option and the name of a job, which they have
# from a ratd. Anybody may run it where the three are installed; root has them installed.
. "$(dirname "$0")/lib.sh"
cd "$top"

bin=$(realpath "${BIN:-$top/target/debug}")
if [ "$(id -u)" = 0 ]; then
    need zsh zsh
    need fish fish
    need script bsdutils
fi
scratch=$(mktemp -d)
mkdir -p "$scratch"/{home,root/etc/cron.d,root/var/spool/cron/crontabs}
"$bin/examples/completions" "$scratch"
printf '0 0 1 1 * backup-of-home\n' >"$scratch/root/var/spool/cron/crontabs/$(id -un)"
chmod 600 "$scratch/root/var/spool/cron/crontabs/$(id -un)"
"$bin/ratd" -n --root "$scratch/root" >"$scratch/ratd" 2>&1 &
ratd=$!
trap 'kill "$ratd"; wait "$ratd" || :; rm -rf "$scratch"' EXIT
export RAT_ROOT=$scratch/root HOME=$scratch/home PATH=$bin:$PATH
within 10 rat status >/dev/null 2>&1 || { cat "$scratch/ratd" >&2; die "no ratd"; }
name=$(rat list --json | sed -n 's/.*"name":"\([^"]*\)".*/\1/p')

# So the shell shows what it was left with, and runs nothing of it.
shown='shown() { echo "shown:$*:"; }; rat() { case $1 in hist*) shown "$@" ;; *) command rat "$@" ;; esac; }'
cat >"$scratch/home/bash" <<END
source "$scratch/bash/rat"
$shown
END
cat >"$scratch/home/.zshrc" <<END
fpath=("$scratch/zsh" \$fpath)
autoload -Uz compinit
compinit -u -d "$scratch/home/dump"
zstyle ':completion:*' menu no
$shown
END
cat >"$scratch/home/fish" <<END
source "$scratch/fish/rat.fish"
function rat
    if string match -q 'hist*' -- \$argv[1]
        echo "shown:\$argv:"
    else
        command rat \$argv
    end
end
END

pause() { read -r -t "${PAUSE:-2}" <> <(:) || :; }
# typed SHELL KEYS: what a terminal shows when they are typed to it
typed() {
    local shell
    case $1 in
        bash) shell="bash --noprofile --rcfile $scratch/home/bash -i" ;;
        zsh) shell="zsh -i" ;;
        fish) shell="fish --no-config --init-command 'source $scratch/home/fish' -i" ;;
    esac
    # A shell that begins may throw away what was typed before, and asks ratd before it completes.
    { pause; printf '%b' "$2\r"; pause; printf 'exit\r'; } |
        TERM=dumb timeout 20 script -qec "$shell" /dev/null 2>&1 | tr -d '\r'
}

for shell in bash zsh fish; do
    # What was completed has a blank behind it.
    while read -r keys expected; do
        screen=$(typed "$shell" "rat ${keys/_/ }")
        grep -qF "shown:$expected $name:" <<<"$screen" ||
            { cat -v <<<"$screen" >&2; die "$shell does not complete: rat $keys"; }
    done <<'END'
hist\tbackup\t history
history_--js\tbackup\t history --json
END
    say "$shell completes verbs, options and jobs"
done
