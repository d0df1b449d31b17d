# What the scripts that run tests share: how they fail, and how they install packages of Debian. Read by `. tests/packages.sh`.

section() { printf '\n== %s\n' "$*"; }
fail() {
    printf '\nFAILED: %s\n' "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo -n "$@"
    else
        fail "'$*' needs root, and there is no sudo; install it by hand"
    fi
}

# Installs packages whose command is missing: pairs of command and package, `losetup:mount`. A command may also be the
# path of a file that is executable.
install_packages() {
    local missing=() pair
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
    done
    if [ "${#missing[@]}" -gt 0 ]; then
        section "installing ${missing[*]}"
        as_root apt-get update -q </dev/null
        as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -qy --no-install-recommends "${missing[@]}" </dev/null
    fi
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null ||
            fail "${pair%%:*} (package ${pair##*:}) is missing, and could not be installed"
    done
}
