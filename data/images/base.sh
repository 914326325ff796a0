#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# base.sh OUT: the root file system "base": Debian with what a coding agent needs. Leaves
# OUT/root.erofs and OUT/roots.pem. As root, or as a user with subordinate ids (uidmap).
set -eu
out=$1
mirror=${BB_DEBIAN_MIRROR:-http://deb.debian.org/debian}
security=${BB_DEBIAN_SECURITY:-http://deb.debian.org/debian-security}
suite=${BB_DEBIAN_SUITE:-bookworm}
packages=curl,git,ca-certificates,python3,bind9-dnsutils,iproute2,nftables,ripgrep,openssh-client
packages=$packages,procps,less,sudo,jq,unzip,xz-utils,file,nano
tmp=$out/tmp
mkdir -p "$tmp"
die() { printf 'base: %s\n' "$*" >&2; exit 1; }

mode=root
[ "$(id -u)" = 0 ] || mode=unshare
printf 'base: installing packages (%s)\n' "$suite"
# The hooks run on the host with the new root as $1
TMPDIR=$tmp mmdebstrap --quiet --mode=$mode --variant=minbase --include="$packages" \
	--aptopt='APT::Install-Recommends "false"' \
	--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
	--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
	--dpkgopt='path-exclude=/usr/share/info/*' \
	--customize-hook='chroot "$1" groupadd -g 1000 node' \
	--customize-hook='chroot "$1" useradd -u 1000 -g 1000 -m -s /bin/bash node' \
	--customize-hook='mkdir -p "$1/workspace" && chroot "$1" chown node:node /workspace' \
	--customize-hook='echo "node ALL=(ALL) NOPASSWD: ALL" >"$1/etc/sudoers.d/node" && chmod 440 "$1/etc/sudoers.d/node"' \
	--customize-hook='rm -f "$1/etc/hostname" "$1/etc/resolv.conf" "$1"/etc/ssh/ssh_host_*' \
	--customize-hook='mkdir -p "$1/etc/apt/apt.conf.d" "$1/usr/local/share/ca-certificates" "$1/var/lib/docker"' \
	--skip=output/dev "$suite" "$tmp/root.tar" \
	"deb $mirror $suite main" "deb $mirror $suite-updates main" \
	"deb $security $suite-security main" >"$out/log" 2>&1 ||
	die "mmdebstrap failed: $(grep -v '^I:' "$out/log" | tail -n 3)"

printf 'base: writing the file system\n'
cat >"$tmp/pack.sh" <<'P'
set -eu
mkdir "$1/tree"
tar -C "$1/tree" -xpf "$1/root.tar" --numeric-owner --exclude='./dev/*'
mkdir -p "$1/tree/dev" "$1/tree/proc" "$1/tree/sys" "$1/tree/run" "$1/tree/tmp"
cp "$1/tree/etc/ssl/certs/ca-certificates.crt" "$2/roots.pem"
PATH=$PATH:/sbin:/usr/sbin mkfs.erofs -T0 --quiet "$2/root.erofs" "$1/tree" 2>/dev/null ||
	PATH=$PATH:/sbin:/usr/sbin mkfs.erofs -T0 "$2/root.erofs" "$1/tree" >/dev/null
rm -rf "$1/tree" "$1/root.tar"
P
if [ $mode = root ]; then
	sh "$tmp/pack.sh" "$tmp" "$out"
else
	unshare --map-root-user --map-auto sh "$tmp/pack.sh" "$tmp" "$out"
fi || die "cannot write the file system"
[ -s "$out/roots.pem" ] || die "the image has no certificates"
rm -rf "$tmp" "$out/log"
