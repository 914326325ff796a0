#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# clean.sh OUT [keep]: remove what a build left: its directory in /var/tmp and, without "keep", OUT
# itself. A plain user's build has files of subordinate ids, which only their namespace may remove.
set -u
out=$1
remove() {
	rm -rf -- "$1" 2>/dev/null && return
	unshare --map-root-user --map-auto rm -rf -- "$1"
}
tmp=$(readlink "$out/tmpdir" 2>/dev/null) || tmp=''
case $tmp in
/var/tmp/bot-bottle-build.*/*) ;;
/var/tmp/bot-bottle-build.*) [ ! -O "$tmp" ] || [ -L "$tmp" ] || remove "$tmp" ;;
esac
rm -f "$out/tmpdir"
[ "${2:-}" = keep ] || remove "$out"
