# SPDX-License-Identifier: Apache-2.0
"""attack.py CLASS NAME MARK PORT DECOY ADDRESSES: one attack; prints blocked, unsent, through or skip, and what was seen."""
import importlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import common  # noqa: E402


def main():
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


print("%s\t%s" % main())
