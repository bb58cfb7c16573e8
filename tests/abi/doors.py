# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of the doors share: where things are, and running a program in one of the ways of loading."""
import os
import subprocess

LIBDIR = os.environ["VERBATIM_TEST_LIBDIR"]
LAUNCHER = os.environ["VERBATIM_TEST_LAUNCHER"]
PROGRAMS = os.environ["VERBATIM_TEST_PROGRAMS"]
SYSTEM_LIBDIR = os.environ["VERBATIM_TEST_SYSTEM_LIBDIR"]
SANITIZER = os.environ.get("VERBATIM_TEST_RUNTIME", "")
DOORS = ("libibverbs.so.1", "librdmacm.so.1")
SKIPPED = 77


def program(name):
    return os.path.join(PROGRAMS, "abi_" + name)


def environment(preload=(), **options):
    """The tests' own, with `preload` (after a sanitizer's runtime) and options as VERBATIM_<NAME>."""
    result = {k: v for k, v in os.environ.items() if not k.startswith("VERBATIM_") and not k.startswith("LD_")}
    preload = ([SANITIZER] if SANITIZER else []) + list(preload)
    if preload:
        result["LD_PRELOAD"] = ":".join(preload)
    result.update({f"VERBATIM_{name.upper()}": value for name, value in options.items()})
    return result


def by_launcher(command, **options):
    return run([LAUNCHER, "run", *command], environment(**options))


def by_hand(command, **options):
    variables = environment([os.path.join(LIBDIR, door) for door in DOORS], **options)
    variables["LD_LIBRARY_PATH"] = LIBDIR
    return run(command, variables)


def run(command, variables):
    return subprocess.run(command, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
