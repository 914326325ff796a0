#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# base.sh OUT: the root file system "base": Debian with what a coding agent needs. Leaves
# OUT/root.erofs, OUT/roots.pem and OUT/root.facts. As root, or as a user with subordinate ids
# (uidmap). clean.sh OUT removes what an interrupted run left.
#
# Other recipes source it with `more` (Debian packages) set, or with `npm` (a package), `npm_native` (its
# package for this machine, at the version V) and `npm_program` (the program in it): what is published
# there is put in as well.
#
# Packages are kept in $BB_DOWNLOADS as they come, so that a build that was interrupted, or the next
# recipe, does not fetch them again; apt takes from there what the signed index still names.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/debian.sh"
out=$1
packages=curl,git,ca-certificates,python3,bind9-dnsutils,iproute2,nftables,ripgrep,openssh-client
packages=$packages,procps,less,sudo,jq,unzip,xz-utils,file,nano${more:+,$more}
downloads=${BB_DOWNLOADS:-$out}/debs
die() { printf 'base: %s\n' "$*" >&2; exit 1; }

# mmdebstrap's namespace does not hold the caller's id, so its directory must not lie in a private
# one. clean.sh finds it by the link.
umask 022
tmp=$(mktemp -d /var/tmp/bot-bottle-build.XXXXXXXXXX) || die 'no temporary directory in /var/tmp'
chmod 755 "$tmp"
ln -s "$tmp" "$out/tmpdir"
trap 'sh "$here/clean.sh" "$out" keep' EXIT
trap 'exit 143' INT TERM HUP

mode=root
[ "$(id -u)" = 0 ] || mode=unshare
mkdir -p "$downloads"
find "$downloads" -mtime +30 -type f -delete
# What apt has fetched lies in the new root until it is installed. A name appears there when it is whole
keep_debs() {
	for deb in "$tmp"/mmdebstrap.*/var/cache/apt/archives/*.deb; do
		[ ! -f "$deb" ] || [ -e "$downloads/${deb##*/}" ] || {
			cp "$deb" "$downloads/.new" && mv "$downloads/.new" "$downloads/${deb##*/}"
		} 2>/dev/null || :
	done
}
(while sleep 1 && [ -e "$out/tmpdir" ]; do keep_debs; done) >/dev/null 2>&1 &
# The hooks run on the host with the new root as $1
install_packages() (
	printf 'base: installing packages (%s)\n' "$suite"
	cd /
	TMPDIR=$tmp mmdebstrap --quiet --mode=$mode --variant=minbase --format=tar --include="$packages" \
		--aptopt='APT::Install-Recommends "false"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/info/*' \
		--skip=download/empty --skip=essential/unlink \
		--setup-hook='mkdir -p "$1/var/cache/apt/archives"' \
		--setup-hook="sync-in '$downloads' /var/cache/apt/archives" \
		--customize-hook='chroot "$1" groupadd -g 1000 node' \
		--customize-hook='chroot "$1" useradd -u 1000 -g 1000 -m -s /bin/bash node' \
		--customize-hook='mkdir -p "$1/workspace" && chroot "$1" chown node:node /workspace' \
		--customize-hook='echo "node ALL=(ALL) NOPASSWD: ALL" >"$1/etc/sudoers.d/node" && chmod 440 "$1/etc/sudoers.d/node"' \
		--customize-hook='rm -f "$1/etc/hostname" "$1/etc/resolv.conf" "$1"/etc/ssh/ssh_host_*' \
		--customize-hook='mkdir -p "$1/usr/local/share/ca-certificates" "$1/var/lib/docker"' \
		--skip=output/dev "$suite" - \
		"deb $mirror $suite main" "deb $mirror $suite-updates main" \
		"deb $security $suite-security main" >"$out/root.tar" 2>"$out/log" ||
		die "mmdebstrap failed: $(grep -v '^I:' "$out/log" | tail -n 4)"
)

# Of another recipe with the same packages, less than an hour old: taken as it is
same=$(printf '%s\n' "$packages" "$suite" "$mirror" "$security" "$mode" | cat - "$here/base.sh" | sha256sum | cut -c1-32)
find "${BB_DOWNLOADS:-$out}" -maxdepth 1 -name 'installed-*' -mmin +60 -delete
other=$(find "${BB_DOWNLOADS:-$out}" -maxdepth 1 -name "installed-$same-*" ! -name "*-${recipe:-base}" | head -n 1)
if [ -n "$other" ]; then
	printf 'base: packages as they were installed for %s\n' "${other##*-}"
	ln "$other" "$out/root.tar"
else
	install_packages
	ln -f "$out/root.tar" "${BB_DOWNLOADS:-$out}/installed-$same-${recipe:-base}"
fi

[ -z "${npm:-}" ] || . "$here/npm.sh"

printf 'base: writing the file system\n'
# Modification times stay: Python's byte code is only valid with those of its sources
cat >"$tmp/pack.sh" <<'P'
set -eu
mkdir "$1/tree"
tar -C "$1/tree" -xpf "$1/root.tar" --numeric-owner --exclude='./dev/*'
rm "$1/root.tar"
for dir in dev proc sys run tmp; do mkdir -p "$1/tree/$dir"; done
if [ -d "$1/npm" ]; then
	mkdir -p "$1/tree/usr/local/lib/bot-bottle" "$1/tree/usr/local/bin"
	cp -R "$1/npm/package/." "$1/tree/usr/local/lib/bot-bottle/"
	chown -R 0:0 "$1/tree/usr/local/lib/bot-bottle"
	ln -s "../lib/bot-bottle/$2" "$1/tree/usr/local/bin/${2##*/}"
	rm -rf "$1/npm"
fi
cp "$1/tree/etc/ssl/certs/ca-certificates.crt" "$1/roots.pem"
fact() { [ -z "$(find "$1/tree/usr" "$1/tree/etc" -path "$2" -print -quit 2>/dev/null)" ] || echo "$3"; }
{
	fact "$1" '*/lib*/libnss3.so*' nss
	fact "$1" '*/security/cacerts' java
} >"$1/root.facts"
PATH=$PATH:/sbin:/usr/sbin mkfs.erofs "$1/root.erofs" "$1/tree" >/dev/null
rm -rf "$1/tree"
P
if [ $mode = root ]; then
	sh "$tmp/pack.sh" "$out" "${npm_program:-}"
else
	unshare --map-root-user --map-auto sh "$tmp/pack.sh" "$out" "${npm_program:-}"
fi || die "cannot write the file system"
[ -s "$out/roots.pem" ] || die "the image has no certificates"
rm -f "$out/log"
