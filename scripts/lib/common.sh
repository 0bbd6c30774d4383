# shellcheck shell=bash
# What every script here needs: where the repository is, how to speak to the user, how to fail.
# Sourced, never run. Guarantees: every message goes to stderr as one line that names the script.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
script_name=$(basename "$0")
readonly repository script_name

# Where cargo puts what it builds. Read by the scripts that source this file.
# shellcheck disable=SC2034
target=${CARGO_TARGET_DIR:-$repository/target}

# rustup puts cargo where a shell started before its installation does not look.
[[ :$PATH: == *:"$HOME/.cargo/bin":* ]] || PATH=$PATH:$HOME/.cargo/bin

# One line of progress.
say() {
    printf '%s: %s\n' "$script_name" "$*" >&2
}

# One line that says what failed and what to do; ends the script with status 125, which no
# sandboxed program and no test run uses for a result of its own.
die() {
    say "error: $*"
    exit 125
}

# have COMMAND: whether the command exists.
have() {
    command -v "$1" >/dev/null 2>&1
}

# kvm_usable VMM: whether dangless-vmm itself finds /dev/kvm of use to this user.
kvm_usable() {
    "$1" --doctor >/dev/null 2>&1
}
