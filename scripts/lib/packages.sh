# shellcheck shell=bash
# The distribution's packages that each group of work needs, and their installation.
# Sourced by scripts/setup after common.sh. Guarantees: asks for privilege only when something is
# missing, and changes nothing of the machine's settings.

# packages_of GROUP: the names, one a line.
packages_of() {
    case $1 in
        build) printf '%s\n' gcc libc6-dev ca-certificates ;;
        tests)
            printf '%s\n' gcc g++ libc6-dev make cmake pkg-config gdb musl-tools dpkg-dev xz-utils \
                busybox-static bash-static python3 perl sqlite3 git curl nodejs \
                golang-go redis-tools zstd libjemalloc2 libmimalloc2.0
            have_kernel_headers || kernel_headers_package
            ;;
        ring0) printf '%s\n' qemu-system-x86 busybox-static cpio util-linux xz-utils zstd ;;
        gate) printf '%s\n' shellcheck ;;
        bench) printf '%s\n' libmimalloc-dev ;;
        *) die "unknown group $1; the groups are build, tests, ring0, gate and bench" ;;
    esac
}

# have_kernel_headers: whether the kernel's declarations of the system calls are here.
have_kernel_headers() {
    compgen -G '/usr/src/linux-headers-*/include/linux/syscalls.h' >/dev/null
}

# kernel_headers_package: the newest package with the headers that all kernel flavours share; Debian
# ends its name in -common, Ubuntu in the version.
kernel_headers_package() {
    local found
    found=$(apt-cache pkgnames linux-headers- |
        grep -E '^linux-headers-[0-9][^-]*(-[0-9]+)?(-common)?$' | sort -V | tail -n 1) || true
    printf '%s\n' "${found:-linux-headers-generic}"
}

# missing_packages GROUP...: those of the groups' packages that are not installed.
missing_packages() {
    local group
    for group in "$@"; do
        packages_of "$group"
    done | sort -u | while read -r package; do
        [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
            printf '%s\n' "$package"
    done
}

# as_root COMMAND...: runs it with root's rights, asking for a password only at a terminal.
as_root() {
    if [[ $(id -u) -eq 0 ]]; then
        "$@"
    elif ! have sudo; then
        return 1
    elif [[ -t 0 ]]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

# apt ARGUMENTS...: apt-get without questions; its output is shown only when it fails.
apt() {
    local log
    log=$(mktemp)
    if as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Acquire::Retries=3 \
        -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1; then
        rm "$log"
    else
        tail -n 20 "$log" >&2
        rm "$log"
        return 1
    fi
}

# install_groups GROUP...: installs what is missing of these groups.
install_groups() {
    local -a missing
    have apt-get || die "no apt-get here; the scripts set up Debian and Ubuntu only"
    mapfile -t missing < <(missing_packages "$@")
    [[ ${#missing[@]} -gt 0 ]] || return 0
    say "installing what is missing: ${missing[*]}"
    apt update || die "apt-get update failed; run it as root and see"
    # With new lists a package chosen by version may go by another name.
    mapfile -t missing < <(missing_packages "$@")
    apt install --no-install-recommends "${missing[@]}" ||
        die "could not install packages; as root: apt-get install ${missing[*]}"
}

# refresh_lists: brings the package lists here if there are none to resolve a kernel with.
refresh_lists() {
    [[ -z $(apt-cache depends linux-image-amd64 2>/dev/null)$(apt-cache depends linux-image-virtual 2>/dev/null) ]] ||
        return 0
    apt update || die "no package lists here, and apt-get update failed; run it as root and see"
}
