# shellcheck shell=bash
# The kernel and the initramfs of the ring-0 machine, made from distribution packages and cached.
# Sourced by scripts/ring0 after common.sh. Guarantees: nothing is installed on the host; a machine
# directory that exists is complete, since it is prepared beside its place and then renamed.

# Kernel packages that hold all the modules wanted below, best first. Debian's cloud kernel would
# be smaller, but it is built without 9p, through which the machine sees the host's files.
ring0_kernel_packages=(linux-image-amd64 linux-image-virtual linux-image-generic)

# What the machine loads; the modules these depend on are found by reading them.
ring0_modules=(virtio_pci virtio_console 9pnet_virtio 9p overlay kvm-amd)

# ring0_resolve_kernel: the packages to unpack, one a line: the newest kernel that the package
# lists know, and its modules where the distribution keeps them apart.
ring0_resolve_kernel() {
    local meta image dependencies
    for meta in "${ring0_kernel_packages[@]}"; do
        dependencies=$(LC_ALL=C apt-cache depends --important "$meta" 2>/dev/null) || continue
        image=$(sed -nE 's/^ *\|?Depends: (linux-image-[0-9][^ ]*)$/\1/p' <<<"$dependencies" | head -n 1)
        [[ -n $image ]] || continue
        printf '%s\n' "$image"
        LC_ALL=C apt-cache depends --important "$image" |
            sed -nE 's/^ *\|?Depends: (linux-modules-[0-9][^ ]*)$/\1/p'
        return 0
    done
    return 1
}

# ring0_module_depends FILE: the comma-separated names of the modules that FILE depends on.
ring0_module_depends() {
    # Module information is a section of strings that each end in a zero byte.
    grep -az '^depends=' "$1" | tr -d '\0' | sed 's/^depends=//'
}

# ring0_decompress FILE: the module itself, whatever the distribution packed it with.
ring0_decompress() {
    case $1 in
        *.ko) cat "$1" ;;
        *.xz) xz -dc "$1" ;;
        *.zst) zstd -dcq "$1" ;;
        *.gz) gzip -dc "$1" ;;
        *) die "do not know how to unpack the kernel module $1" ;;
    esac
}

# ring0_add_module NAME FROM TO: puts the module and all that it depends on under TO/modules and
# their names, in the order in which they must be loaded, into TO/modules/order.
ring0_add_module() {
    local name=${1//-/_} from=$2 to=$3 source pattern dependency
    local -a dependencies
    [[ -e $to/modules/$name.ko ]] && return 0
    # A dash and an underscore are the same in a module's name, but not in its file's name.
    pattern=${name//_/[-_]}
    source=$(find "$from" -name "$pattern.ko" -o -name "$pattern.ko.*" | head -n 1)
    if [[ -z $source ]]; then
        grep -qE "/$pattern\.ko$" "$from"/lib/modules/*/modules.builtin ||
            die "the kernel package in $from holds no module $name; remove $(dirname "$from") and try again"
        return 0
    fi
    ring0_decompress "$source" >"$to/modules/$name.ko"
    IFS=, read -ra dependencies <<<"$(ring0_module_depends "$to/modules/$name.ko")"
    for dependency in "${dependencies[@]}"; do
        ring0_add_module "$dependency" "$from" "$to"
    done
    printf '%s\n' "$name" >>"$to/modules/order"
}

# ring0_fetch_kernel DIRECTORY: unpacks the kernel packages into DIRECTORY/root.
ring0_fetch_kernel() {
    local directory=$1 package
    local -a packages
    have apt-get || die "no apt-get here; the ring-0 machine takes its kernel from Debian's or Ubuntu's packages"
    mapfile -t packages < <(ring0_resolve_kernel)
    [[ ${#packages[@]} -gt 0 ]] ||
        die "no kernel package found (looked for ${ring0_kernel_packages[*]}); run apt-get update as root"
    say "fetching ${packages[*]}"
    # apt drops its privileges for a download, and warns when that user cannot write here.
    if ! (cd "$directory" && apt-get -q -o APT::Sandbox::User="$(id -un)" download "${packages[@]}") \
        >"$directory/apt.log" 2>&1; then
        sed 's/^/  /' "$directory/apt.log" >&2
        die "cannot download ${packages[*]}; run apt-get update as root, or check the network"
    fi
    for package in "$directory"/*.deb; do
        dpkg -x "$package" "$directory/root"
        rm "$package"
    done
}

# ring0_unpack_kernel IMAGE TO: the kernel inside a compressed boot image. Unpacked here it saves the
# machine two seconds of every boot; where the host has no tool for it, the image itself boots too.
ring0_unpack_kernel() {
    local image=$1 to=$2 sectors offset length
    # Field offsets are those of the x86 boot protocol: setup_sects, payload_offset, payload_length.
    sectors=$(od -An -tu1 -j $((0x1f1)) -N 1 "$image")
    offset=$(od -An -tu4 -j $((0x248)) -N 4 "$image")
    length=$(od -An -tu4 -j $((0x24c)) -N 4 "$image")
    # The last four bytes of the payload are its unpacked size, not part of the compressed stream.
    dd if="$image" of="$to.payload" bs=64K iflag=skip_bytes,count_bytes status=none \
        skip=$(((sectors + 1) * 512 + offset)) count=$((length - 4))
    if ring0_unpack_stream "$to.payload" >"$to" 2>/dev/null &&
        [[ $(head -c 4 "$to") == $'\x7fELF' ]]; then
        :
    else
        cp "$image" "$to"
    fi
    rm "$to.payload"
}

# ring0_unpack_stream FILE: unpacks by the first bytes, since the file has no telling name.
ring0_unpack_stream() {
    case $(od -An -tx1 -N 4 "$1" | tr -d ' ') in
        fd377a58) xz -dc "$1" ;;
        28b52ffd) zstd -dcq <"$1" ;;
        02214c18) lz4 -dc <"$1" ;;
        1f8b*) gzip -dc <"$1" ;;
        *) return 1 ;;
    esac
}

# ring0_make_machine DIRECTORY: DIRECTORY/kernel and DIRECTORY/modules.
ring0_make_machine() {
    local directory=$1 module
    ring0_fetch_kernel "$directory"
    ring0_unpack_kernel "$directory"/root/boot/vmlinuz-* "$directory/kernel"
    mkdir "$directory/modules"
    for module in "${ring0_modules[@]}"; do
        ring0_add_module "$module" "$directory/root" "$directory"
    done
    rm -r "$directory/root" "$directory/apt.log"
}

# ring0_make_initramfs DIRECTORY INIT: DIRECTORY/initramfs, which starts with the script INIT.
ring0_make_initramfs() {
    local directory=$1 init=$2 tree=$1/tree busybox
    busybox=$(command -v busybox) || die "no busybox; run scripts/setup"
    mkdir -p "$tree"/{bin,proc,sys,dev,host,job,writes,root}
    cp "$busybox" "$tree/bin/busybox"
    cp "$init" "$tree/init"
    chmod 755 "$tree/init" "$tree/bin/busybox"
    cp -r "$directory/modules" "$tree/modules"
    (cd "$tree" && find . | cpio --quiet -o -H newc -R 0:0) >"$directory/initramfs.new"
    mv "$directory/initramfs.new" "$directory/initramfs"
    rm -r "$tree"
}

# ring0_image CACHE INIT: makes CACHE/machine/{kernel,initramfs} where they are missing or older
# than what they are made of. Several callers at once wait for one another.
ring0_image() {
    local cache=$1 init=$2 machine=$1/machine lock busybox
    mkdir -p "$cache"
    exec {lock}>"$cache/lock"
    flock "$lock"
    if [[ ! -d $machine ]]; then
        rm -rf "$cache/machine.new"
        mkdir "$cache/machine.new"
        ring0_make_machine "$cache/machine.new"
        mv "$cache/machine.new" "$machine"
    fi
    busybox=$(command -v busybox) || die "no busybox; run scripts/setup"
    if [[ ! $machine/initramfs -nt $init || ! $machine/initramfs -nt $busybox ]]; then
        ring0_make_initramfs "$machine" "$init"
    fi
    exec {lock}>&-
}
