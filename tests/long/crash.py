#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A hundred random kill points, every second of them on docker (tests/lib/crash.py). Usage: crash.py BUILD [SEED [POINTS
[smolmachines | docker]]]; as root, with the image base."""
import os
import shutil
import sys
import time

os.environ["BB_BUILD"] = os.path.abspath(sys.argv[1])
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import product as products  # noqa: E402
from crash import Crash, product_for, product_on_docker  # noqa: E402


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns() % 1000000
    points = int(sys.argv[3]) if len(sys.argv) > 3 else 100
    only = sys.argv[4] if len(sys.argv) > 4 else ""
    assert only in ("", "smolmachines", "docker"), only
    top = "/var/tmp/bb-crash-%d" % os.getpid()
    docker = None
    os.makedirs(top)
    os.chmod(top, 0o755)
    try:
        exe, where = products.copy_build(top), []
        if only != "docker":
            where.append(Crash(product_for(exe, top), seed))
        if only != "smolmachines":
            docker = product_on_docker(exe, top)
            where.append(Crash(docker, seed))
        print("crash: seed %d, %d points" % (seed, points), flush=True)
        for i in range(points):
            crash = where[i % len(where)]
            print("%s%s" % ("docker: " if crash.engine else "", crash.point(i)), flush=True)
        print("crash: %d points, nothing left, all listed, resumed or cleaned up" % points)
    finally:
        if docker:
            docker.engine.close()
        shutil.rmtree(top, ignore_errors=True)


main()
