
# Names of jobs, where a verb takes one. They are whatever their owners wrote, so nothing here is expanded.
_rat_and_jobs() {
    local name
    _rat "$@"
    case ${COMP_WORDS[1]} in history | show | why | run | logs | pause | resume | retry | wait | skip) ;; *) return ;; esac
    [[ $2 != -* ]] || return
    while IFS= read -r name; do
        [[ $name != "$2"* ]] || COMPREPLY+=("$(printf %q "$name")")
    done < <(rat list --json 2>/dev/null | grep -o '"name":"[^"\\]*"' | cut -d'"' -f4 | sort -u)
}
complete -o nosort -o bashdefault -F _rat_and_jobs rat
