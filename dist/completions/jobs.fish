
# Names of jobs, where a verb takes one.
complete -c rat -f -n "__fish_seen_subcommand_from history show why run logs pause resume retry wait skip" \
    -a "(rat list --json 2>/dev/null | string match -r -a -g '\"name\":\"([^\"\\\\\\\\]*)\"' | sort -u)"
