"""System calls that the sandbox refuses, as a BPF program for bubblewrap's --seccomp.

Assembled by hand, because a generator needs libseccomp, which a machine with only Python lacks. Everything is allowed
except what reaches out of the sandbox or into rarely used parts of the kernel.
"""

from __future__ import annotations

import errno
import platform
import struct

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16
_X32_BIT = 0x40000000
# CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_NEW_NAMESPACES = 0x80 | 0x20000 | 0x2000000 | 0x4000000 | 0x8000000 | 0x10000000 | 0x20000000 | 0x40000000
_SOCKET_FAMILIES = (
    1,
    2,
    10,
)  # unix, IPv4, IPv6; not netlink, packet or the vsock that leads to a virtual machine's host

_ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_COLUMN = {"x86_64": 0, "aarch64": 1}
_DENIED = {
    # other processes and their memory
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    # mounts and namespaces
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # keys, BPF, tracing, rings
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "fanotify_init": (300, 262),
    # memory outside the limits
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "mbind": (237, 235),
    "set_mempolicy": (238, 237),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # the machine
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "personality": (135, 92),
    "lookup_dcookie": (212, 18),
    "vhangup": (153, 58),
}
_DENIED_X86 = (172, 173, 154, 134, 180)  # iopl, ioperm, modify_ldt, uselib, nfsservctl
_CLONE, _CLONE3, _SOCKET = (56, 220), (435, 435), (41, 198)


def program(machine: str = "") -> bytes | None:
    """Return the filter for this kind of processor, or None if there is none."""
    machine = machine or platform.machine()
    column = _COLUMN.get(machine)
    if column is None:
        return None
    denied = [numbers[column] for numbers in _DENIED.values()] + list(_DENIED_X86 if machine == "x86_64" else ())
    code = [
        _step(_LOAD, _ARCH),
        _step(_JUMP_EQUAL, _ARCHES[machine], yes=1),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        _step(_JUMP_AT_LEAST, _X32_BIT, no=1),
        _refuse(errno.ENOSYS),
        # With ENOSYS the C library falls back to clone, whose flags a filter can see.
        _step(_JUMP_EQUAL, _CLONE3[column], no=1),
        _refuse(errno.ENOSYS),
        _step(_JUMP_EQUAL, _CLONE[column], no=4),
        _step(_LOAD, _FIRST_ARGUMENT),
        _step(_JUMP_ANY_BIT, _NEW_NAMESPACES, no=1),
        _refuse(errno.EPERM),
        _step(_RETURN, _ALLOW),
        _step(_JUMP_EQUAL, _SOCKET[column], no=3 + len(_SOCKET_FAMILIES)),
        _step(_LOAD, _FIRST_ARGUMENT),
        *(
            _step(_JUMP_EQUAL, family, yes=len(_SOCKET_FAMILIES) - place)
            for place, family in enumerate(_SOCKET_FAMILIES)
        ),
        _refuse(errno.EAFNOSUPPORT),
        _step(_RETURN, _ALLOW),
    ]
    for number in sorted(denied):
        code += [_step(_JUMP_EQUAL, number, no=1), _refuse(errno.EPERM)]
    return b"".join([*code, _step(_RETURN, _ALLOW)])


def _step(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    """Return one struct sock_filter; `yes` and `no` are the numbers of steps to skip."""
    return struct.pack("=HBBI", code, yes, no, value)


def _refuse(number: int) -> bytes:
    return _step(_RETURN, _ERRNO | number)
