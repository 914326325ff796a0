#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# docker.sh ENGINE TAG ROOT.EROFS: give a container engine one of our images under TAG, when it does
# not have it yet. As root, or as a user with subordinate ids (uidmap).
set -eu
engine=$1 tag=$2 root=$3
die() { printf 'docker: %s\n' "$*" >&2; exit 1; }
"$engine" image inspect "$tag" >/dev/null 2>&1 && exit 0
umask 022
tmp=$(mktemp -d /var/tmp/bot-bottle-import.XXXXXXXXXX) || die 'no temporary directory in /var/tmp'
chmod 755 "$tmp"
as_root=''
[ "$(id -u)" = 0 ] || as_root='unshare --map-root-user --map-auto'
# What belongs to subordinate ids only they can remove
trap '$as_root rm -rf "$tmp"' EXIT
trap 'exit 143' INT TERM HUP
printf 'docker: giving the engine the image %s\n' "$tag"
cat >"$tmp/unpack.sh" <<'P'
set -eu
PATH=$PATH:/sbin:/usr/sbin fsck.erofs --extract="$1/tree" "$2" >"$1/log" 2>&1 || { cat "$1/log" >&2; exit 1; }
tar -C "$1/tree" --numeric-owner -cf "$1/root.tar" .
rm -rf "$1/tree"
P
$as_root sh "$tmp/unpack.sh" "$tmp" "$root" || die 'the image could not be unpacked'
$as_root chmod 644 "$tmp/root.tar"
"$engine" import --change 'USER 1000:1000' "$tmp/root.tar" "$tag" >"$tmp/log" 2>&1 ||
	die "the engine does not take it: $(tail -n 2 "$tmp/log")"
