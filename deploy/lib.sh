# shellcheck shell=bash
# What the scripts of this folder share: sourced from the repository's root, never run.

readonly LOGS=.run # output that nobody needs unless something failed; ignored by git

# One line to whoever started the script; standard output is for values.
say() { printf 'sidegate: %s\n' "$*" >&2; }

# The last lines of a log, indented, after a failure.
tell() { tail -n "${2:-5}" "$1" | sed 's/^/  | /' >&2; }

can_install() { [[ $EUID == 0 ]] && command -v apt-get >/dev/null; }

# install_package PACKAGE WHY: from Debian's own archive, as root; false where that cannot be.
install_package() {
  can_install || return 1
  say "installing $1 ($2)"
  mkdir -p "$LOGS"
  apt "$1" || { apt_get update && apt "$1"; } || {
    say "$1 could not be installed; see $LOGS/apt.log:"
    tell "$LOGS/apt.log"
    return 1
  }
}

apt() { apt_get install -y --no-install-recommends "$1"; }

# RUNLEVEL=1: without systemd no init script is to start a service, which nobody would then stop.
apt_get() {
  DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    timeout 600 apt-get -q -o DPkg::Lock::Timeout=120 "$@" >>"$LOGS/apt.log" 2>&1 </dev/null
}

# export_uv_settings PYTHON: what pip is told about mirrors and certificates; uv reads none of it.
export_uv_settings() {
  local index certificates
  index=${PIP_INDEX_URL:-$("$1" -m pip config get global.index-url 2>/dev/null || true)}
  certificates=${PIP_CERT:-$("$1" -m pip config get global.cert 2>/dev/null || true)}
  if [[ -n $index ]]; then export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$index}; fi
  if [[ -n $certificates ]]; then export SSL_CERT_FILE=${SSL_CERT_FILE:-$certificates}; fi
  export UV_SYSTEM_CERTS=1 UV_PYTHON_DOWNLOADS=never
}
