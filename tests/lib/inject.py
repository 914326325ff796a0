# SPDX-License-Identifier: Apache-2.0
"""Makes a running process execute one system call, as code that took it over would. x86-64, root."""
import ctypes
import os
import re
import socket
import struct

ATTACH, GETREGS, SETREGS, DETACH = 16, 12, 13, 17
SYS_SOCKET = 41
WALL = 0x40000000
# of struct user_regs_struct, in 8 octets
R10, RAX, RDX, RSI, RDI, ORIG_RAX, RIP = 7, 10, 12, 13, 14, 15, 16

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]


def ptrace(request, pid, data=None):
    if libc.ptrace(request, pid, None, data) < 0:
        raise OSError(ctypes.get_errno(), "ptrace %d" % request)


def instruction(pid):
    """Address of a `syscall` in what is mapped executable."""
    mem = open("/proc/%d/mem" % pid, "rb", buffering=0)
    for line in open("/proc/%d/maps" % pid):
        m = re.match(r"([0-9a-f]+)-([0-9a-f]+) r-xp .*(libc|vdso|ld-linux)", line)
        if m:
            start, end = int(m.group(1), 16), int(m.group(2), 16)
            mem.seek(start)
            at = mem.read(end - start).find(b"\x0f\x05")
            if at >= 0:
                return start + at
    raise AssertionError("no syscall instruction")


def socket_call(pid, family=socket.AF_UNIX):
    """socket(@family, SOCK_STREAM, 0): nobody may make an AF_UNIX one. The process goes on by itself."""
    ptrace(ATTACH, pid)
    os.waitpid(pid, WALL)
    buf = ctypes.create_string_buffer(27 * 8)
    ptrace(GETREGS, pid, buf)
    regs = list(struct.unpack("27Q", buf.raw))
    regs[RIP], regs[RAX], regs[ORIG_RAX] = instruction(pid), SYS_SOCKET, 2 ** 64 - 1
    regs[RDI], regs[RSI], regs[RDX] = family, socket.SOCK_STREAM, 0
    ptrace(SETREGS, pid, ctypes.create_string_buffer(struct.pack("27Q", *regs), 27 * 8))
    ptrace(DETACH, pid)
