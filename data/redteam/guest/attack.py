# SPDX-License-Identifier: Apache-2.0
"""Carries out attacks: from each line CLASS|NAME|MARK|PORT|DECOY|ADDRESSES one, in a process of its own. The answer is a line:
blocked, unsent, through or skip, and what was seen; or why there is none."""
import importlib
import os
import sys

# What attacks need, loaded once: starting a Python takes longer than most of them
import base64, codecs, glob, gzip, hashlib, ipaddress, json, re, shutil, socket, ssl, struct, subprocess  # noqa: E401,F401

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


def carry_out(order):
    sys.argv[1:] = order.split("|")
    import common  # reads the arguments
    module, name = importlib.import_module("attacks_" + sys.argv[1]), sys.argv[2].replace("-", "_")
    attack = getattr(module, name + "_", None) or getattr(module, name)  # some have the name of a module
    try:
        return "blocked", attack()
    except common.Through as e:
        return "through", e
    except common.Unsent as e:
        return "unsent", e
    except common.Skip as e:
        return "skip", e
    except ConnectionError as e:
        return "blocked", e.strerror


def answer(order):
    """In a child, which ends here."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        word = "%s\t%s" % carry_out(order)
    except BaseException as e:
        word = "failed\t%s: %s" % (type(e).__name__, e)
    os.write(1, " ".join(word.splitlines()).encode(errors="replace") + b"\n")
    os._exit(0)


for line in sys.stdin:
    child = os.fork() or answer(line.rstrip("\n"))
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        os.write(1, b"failed\tended without a word\n")
