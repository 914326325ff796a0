#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# claude.sh OUT: "base" with Claude Code, as its vendor publishes it on the npm registry
set -eu
recipe=claude
npm=@anthropic-ai/claude-code
npm_native='@anthropic-ai/claude-code-linux-$arch@$version'
npm_program=claude
. "$(dirname "$0")/base.sh"
