#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# dockerfile.sh OUT DOCKERFILE NAME ARCHIVE: build a Dockerfile with what is there (BB_IMAGE_BUILDER, else buildah, podman
# or docker) and leave the image as ARCHIVE. Its directory is the context.
set -eu
out=$1 file=$2 name=$3 archive=$4
die() { printf 'dockerfile: %s\n' "$*" >&2; exit 1; }
builder=${BB_IMAGE_BUILDER:-}
for b in buildah podman docker; do
	[ -n "$builder" ] || ! command -v "$b" >/dev/null 2>&1 || builder=$b
done
command -v "$builder" >/dev/null 2>&1 || die "no $builder in PATH"
tag=localhost/bot-bottle-build/$name:latest context=$(dirname "$file")
trap 'rm -f "$archive"; exit 143' INT TERM HUP
printf 'dockerfile: building with %s\n' "$builder"
case ${builder##*/} in
buildah)
	"$builder" build --layers -f "$file" -t "$tag" "$context" </dev/null || die "the build failed"
	"$builder" push -q "$tag" "docker-archive:$archive" || die "the image cannot be saved"
	;;
podman)
	"$builder" build -f "$file" -t "$tag" "$context" </dev/null || die "the build failed"
	"$builder" save -q --format docker-archive -o "$archive" "$tag" || die "the image cannot be saved"
	;;
*)
	"$builder" build -f "$file" -t "$tag" "$context" </dev/null || die "the build failed"
	"$builder" save -o "$archive" "$tag" || die "the image cannot be saved"
	;;
esac
