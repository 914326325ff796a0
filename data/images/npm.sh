# SPDX-License-Identifier: Apache-2.0
# Sourced by base.sh: fetch $npm_native at the newest version of $npm into $out/npm. The registry is
# trusted for what is newest; the archive has to have the SHA-512 that the registry names for it.
registry=${BB_NPM_REGISTRY:-https://registry.npmjs.org}
field() { sed -n 's/.*"'"$1"'": *"\([^"]*\)".*/\1/p' | head -n 1; }
about() { curl -fsS --retry 3 -m 60 "$registry/$(printf %s "$1" | sed 's,/,%2f,')/$2"; }

version=$(about "$npm" latest | tr ',' '\n' | field version) || die "$registry does not answer"
[ -n "$version" ] || die "$npm: the registry names no version"
case $(uname -m) in
x86_64) arch=x64 ;;
aarch64) arch=arm64 ;;
*) die "$npm is not published for $(uname -m)" ;;
esac
native=$(eval "printf %s \"$npm_native\"")
printf '%s: fetching %s\n' "$recipe" "$native"
# package@version: the last @ parts them
about "${native%@*}" "${native##*@}" | tr ',{' '\n\n' >"$out/npm.json" || die "$native is not in the registry"
tarball=$(field tarball <"$out/npm.json")
integrity=$(field integrity <"$out/npm.json")
case $integrity in sha512-*) ;; *) die "$native: no SHA-512 in the registry" ;; esac
case $tarball in "$registry"/*) ;; *) die "$native: its archive lies outside the registry: $tarball" ;; esac
want=$(printf %s "${integrity#sha512-}" | base64 -d | od -An -v -tx1 | tr -d ' \n')
is_wanted() { [ -f "$1" ] && [ "$want" = "$(sha512sum "$1" | cut -d' ' -f1)" ]; }
# Kept, in whole or in part, for the next try
kept=${BB_DOWNLOADS:-$out} tgz=npm-$recipe-$(printf %.32s "$want").tgz
find "$kept" -maxdepth 1 -name "npm-$recipe-*" ! -name "$tgz*" -type f -delete
tgz=$kept/$tgz
if ! is_wanted "$tgz"; then
	curl -fsS --retry 3 -m 1200 -C - -o "$tgz.part" "$tarball" || {
		rm -f "$tgz.part"
		curl -fsS --retry 3 -m 1200 -o "$tgz.part" "$tarball" || die "$tarball cannot be fetched"
	}
	is_wanted "$tgz.part" || { rm -f "$tgz.part"; die "$native: the archive is not what the registry describes"; }
	mv "$tgz.part" "$tgz"
fi
mkdir "$out/npm"
tar -C "$out/npm" -xzf "$tgz" --no-same-owner || die "$native cannot be unpacked"
[ -x "$out/npm/package/$npm_program" ] || die "$native has no $npm_program"
printf '%s %s\n' "$npm" "$version" >"$out/npm/package/VERSION"
rm -f "$out/npm.json"
