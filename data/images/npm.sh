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
curl -fsS --retry 3 -m 1200 -o "$out/npm.tgz" "$tarball" || die "$tarball cannot be fetched"
want=$(printf %s "${integrity#sha512-}" | base64 -d | od -An -v -tx1 | tr -d ' \n')
got=$(sha512sum "$out/npm.tgz" | cut -d' ' -f1)
[ "$want" = "$got" ] || die "$native: the archive is not what the registry describes"
mkdir "$out/npm"
tar -C "$out/npm" -xzf "$out/npm.tgz" --no-same-owner || die "$native cannot be unpacked"
[ -x "$out/npm/package/$npm_program" ] || die "$native has no $npm_program"
printf '%s %s\n' "$npm" "$version" >"$out/npm/package/VERSION"
rm -f "$out/npm.tgz" "$out/npm.json"
