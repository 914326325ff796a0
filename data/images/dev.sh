#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# dev.sh OUT: "base" with what most projects need to build: compilers, make, node, Python's tools
set -eu
recipe=dev
more=build-essential,pkg-config,cmake,gdb,strace,nodejs,npm,python3-venv,python3-pip,python3-dev,ncurses-term
more=$more,bash-completion,rsync,patch,zip,sqlite3
. "$(dirname "$0")/base.sh"
