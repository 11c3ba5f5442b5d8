
# Names of jobs, where a verb takes one.
_rat_jobs() {
    local -aU names
    names=(${(f)"$(rat list --json 2>/dev/null | grep -o '"name":"[^"\\]*"' | cut -d'"' -f4)"})
    compadd -a names
}
