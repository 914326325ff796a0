#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kernel.sh OUT MODULES: fetch Debian's cloud kernel and leave in OUT:
#   vmlinux, modules/NN-name.ko (plain, in load order), modules.list, kernel.version
# The package is found through the signed index (gpgv with Debian's keyring), checked against its
# SHA-256, and unpacked without root. MODULES lists module names; dependencies go before each.
set -eu
. "$(dirname "$0")/debian.sh"
out=$1 wanted=$2
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
tmp=$out/tmp
mkdir -p "$tmp" "$out/modules"

say() { printf '%s\n' "$*"; }
die() { printf 'kernel: %s\n' "$*" >&2; exit 1; }
fetch() { curl -fsS --retry 3 --connect-timeout 20 -o "$2" "$1" || die "cannot download $1"; }
has_sum() { printf '%s  %s\n' "$1" "$2" | sha256sum -c --quiet - >/dev/null 2>&1; }

# packages URL SUITE NAME: verified package index of one suite, as NAME
packages() {
	fetch "$1/dists/$2/InRelease" "$tmp/InRelease"
	gpgv -q --keyring "$keyring" --output "$tmp/Release" "$tmp/InRelease" 2>"$tmp/gpgv" ||
		die "$1/dists/$2/InRelease: bad signature: $(tail -n 1 "$tmp/gpgv")"
	sum=$(awk -v f="main/binary-$arch/Packages.xz" '/^SHA256:/ { s = 1; next } /^[^ ]/ { s = 0 }
		s && $3 == f { print $1 }' "$tmp/Release")
	[ -n "$sum" ] || die "$1 $2: no index for $arch"
	fetch "$1/dists/$2/main/binary-$arch/Packages.xz" "$tmp/Packages.xz"
	has_sum "$sum" "$tmp/Packages.xz" || die "$1 $2: the package index does not match its signature"
	xz -dc "$tmp/Packages.xz" >"$tmp/$3"
}

# One line "version url sha256" for the newest real cloud kernel of an index
newest() {
	awk -v base="$2" -v RS= '/^Package: linux-image-[0-9.]+-[0-9]+-cloud-amd64\n/ {
		v = f = s = ""; n = split($0, l, "\n")
		for (i = 1; i <= n; i++) {
			if (l[i] ~ /^Version: /) v = substr(l[i], 10)
			if (l[i] ~ /^Filename: /) f = substr(l[i], 11)
			if (l[i] ~ /^SHA256: /) s = substr(l[i], 9)
		}
		print v, base "/" f, s }' "$tmp/$1"
}

say "kernel: reading the package index"
packages "$mirror" "$suite" main
packages "$security" "$suite-security" security
line=$( (newest main "$mirror"; newest security "$security") | sort -V | tail -n 1)
[ -n "$line" ] || die "no linux-image-*-cloud-$arch in $suite"
version=${line%% *} rest=${line#* }
url=${rest% *} sum=${rest##* }

# What was fetched before, in whole or in part, is not fetched again: its sum is what counts
deb=${BB_DOWNLOADS:-$tmp}/kernel-$sum.deb
find "${BB_DOWNLOADS:-$tmp}" -maxdepth 1 -name 'kernel-*' ! -name "kernel-$sum*" -type f -delete
if [ ! -e "$deb" ] || ! has_sum "$sum" "$deb"; then
	say "kernel: downloading $version"
	curl -fsS --retry 3 --connect-timeout 20 -C - -o "$deb.part" "$url" || {
		rm -f "$deb.part"
		fetch "$url" "$deb.part"
	}
	has_sum "$sum" "$deb.part" || { rm -f "$deb.part"; die "$url does not match the signed index"; }
	mv "$deb.part" "$deb"
fi
ln -s "$deb" "$tmp/kernel.deb"
mkdir -p "$tmp/root"
dpkg-deb -x "$tmp/kernel.deb" "$tmp/root" 2>/dev/null ||
	(cd "$tmp" && ar x kernel.deb && tar -C root -xf data.tar.xz) || die "cannot unpack $url"
release=$(ls "$tmp/root/lib/modules")
bz=$tmp/root/boot/vmlinuz-$release

# The uncompressed kernel starts faster (PVH entry). Where it lies in the bzImage stands in the boot
# header: setup_sects (0x1f1), payload_offset (0x248), payload_length (0x24c).
say "kernel: unpacking $release"
number() { od -An -t "u$2" -j "$1" -N "$2" "$bz" | tr -d ' '; }
start=$((($(number 497 1) + 1) * 512 + $(number 584 4)))
payload() { tail -c +$((start + 1)) "$bz" 2>/dev/null | head -c "$(number 588 4)" 2>/dev/null; }
case $(payload | head -c 4 | od -An -t x1 | tr -d ' ') in
fd377a58) unpack='xz -dc --single-stream' ;;
1f8b08*) unpack='gzip -dc' ;;
28b52ffd) unpack='zstd -qdc' ;;
02214c18) unpack='lz4 -dc' ;;
*) unpack=false ;;
esac
# Four octets of length follow the stream, so the tools may end with a complaint about the rest
payload | $unpack >"$out/vmlinux" 2>/dev/null || :
[ "$(head -c 4 "$out/vmlinux" | od -An -t x1 | tr -d ' ')" = 7f454c46 ] || cp "$bz" "$out/vmlinux"

# modules.dep may be missing in the package: depmod makes it
dir=$tmp/root/lib/modules/$release
[ -s "$dir/modules.dep" ] || PATH=$PATH:/sbin:/usr/sbin depmod -b "$tmp/root" "$release"
: >"$tmp/order"
sed 's/#.*//; s/[[:space:]]//g; /^$/d; s/-/_/g' "$wanted" | while read -r name; do
	awk -v want="$name" '{ m = $1; sub(":$", "", m); n = m; sub(".*/", "", n); sub("\\.ko.*", "", n)
		gsub("-", "_", n); if (n == want) { for (i = NF; i > 1; i--) print $i; print m; exit } }' \
		"$dir/modules.dep" >>"$tmp/order"
done
n=100
: >"$out/modules.list"
awk '!seen[$0]++' "$tmp/order" | while read -r path; do
	file=$(basename "$path") plain=${path##*/}
	plain=$n-${plain%%.ko*}.ko
	case $file in
	*.xz) xz -dc "$dir/$path" ;;
	*.zst) zstd -qdc "$dir/$path" ;;
	*) cat "$dir/$path" ;;
	esac >"$out/modules/$plain"
	printf '/modules/%s\n' "$plain" >>"$out/modules.list"
	n=$((n + 1))
done
[ -s "$out/modules.list" ] || die "none of the modules is in $release"
printf '%s %s\n' "$release" "$version" >"$out/kernel.version"
rm -rf "$tmp"
