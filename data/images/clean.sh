#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# clean.sh OUT [keep]: remove what a build left: its directory in /var/tmp and, without "keep", OUT
# itself. A plain user's build has files of subordinate ids, which only their namespace may remove.
set -u
out=$1
# A program that was ended may write for a moment yet
remove() {
	for try in 1 2 3 4 5 6 7 8 9 10; do
		rm -rf -- "$1" 2>/dev/null && return
		said=$(unshare --map-root-user --map-auto rm -rf -- "$1" 2>&1) && return
		sleep 0.3
	done
	printf '%s\n' "$said" >&2
	return 1
}
tmp=$(readlink "$out/tmpdir" 2>/dev/null) || tmp=''
case $tmp in
/var/tmp/bot-bottle-build.*/*) ;;
/var/tmp/bot-bottle-build.*)
	# where it fails the link stays: the next build tries again
	[ ! -O "$tmp" ] || [ -L "$tmp" ] || remove "$tmp" || exit 1 ;;
esac
rm -f "$out/tmpdir"
[ "${2:-}" = keep ] || remove "$out"
