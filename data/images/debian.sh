# SPDX-License-Identifier: Apache-2.0
# Where Debian comes from: $BB_DEBIAN_MIRROR (image build --mirror), else the mirror in this host's
# own apt sources when it is Debian, else Debian's default. One release is pinned.
suite=bookworm
arch=amd64
mirror=${BB_DEBIAN_MIRROR:-}
security=''
# First http(s) address of the main archive ("$1" = debian) or of security in the host's sources
apt_source() {
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
		sed -n "s|^[^#]*\(https\{0,1\}://[^ ]*/$1\)/\{0,1\}\([[:space:]].*\)\{0,1\}\$|\1|p" | head -n 1
}
if [ -n "$mirror" ]; then
	mirror=${mirror%/}
	security=$mirror-security
	curl -fsSI --connect-timeout 20 "$security/dists/$suite-security/InRelease" >/dev/null 2>&1 ||
		security=''
elif grep -q '^ID=debian' /etc/os-release 2>/dev/null; then
	mirror=$(apt_source debian)
	security=$(apt_source debian-security)
fi
mirror=${mirror:-http://deb.debian.org/debian}
security=${security:-http://deb.debian.org/debian-security}
