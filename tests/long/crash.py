#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A hundred random kill points (tests/lib/crash.py). Usage: crash.py BUILD [SEED [POINTS]]; as root, with the image base."""
import os
import shutil
import sys
import time

os.environ["BB_BUILD"] = os.path.abspath(sys.argv[1])
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import product as products  # noqa: E402
from crash import Crash, product_for  # noqa: E402


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns() % 1000000
    points = int(sys.argv[3]) if len(sys.argv) > 3 else 100
    top = "/var/tmp/bb-crash-%d" % os.getpid()
    os.makedirs(top)
    os.chmod(top, 0o755)
    try:
        crash = Crash(product_for(products.copy_build(top), top), seed)
        print("crash: seed %d, %d points" % (seed, points), flush=True)
        for i in range(points):
            print(crash.point(i), flush=True)
        print("crash: %d points, nothing left, all listed, resumed or cleaned up" % points)
    finally:
        shutil.rmtree(top, ignore_errors=True)


main()
