#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# codex.sh OUT: "base" with Codex, as its vendor publishes it on the npm registry
set -eu
recipe=codex
npm=@openai/codex
npm_native='@openai/codex@$version-linux-$arch'
npm_program=vendor/$(uname -m)-unknown-linux-musl/bin/codex
. "$(dirname "$0")/base.sh"
