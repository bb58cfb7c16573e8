#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""verbatim-kmod: parameters, commands, errors, ^C; and what the kernel offers around verbs."""

import signal

from kmod import Failure, Module, Suite, options


def must_end(module, status, *texts):
    module.close()
    if module.wait(60) != status:
        raise Failure(f"exit status {module.wait(0)}, not {status}")
    for text in texts:
        if text not in module.text():
            raise Failure(f"'{text}' is not said")


def parameters(suite):
    module = Module(suite, "module", [suite.options.params, "number=-5", "small=7", "flag=Y", "text=a=b", "list=1,0x10,3",
                                      "name=abc"])
    module.command("# nothing")
    module.command("echo 'some text' > /proc/params")
    module.command("cat /proc/params")
    must_end(module, 0, "number=-5 small=7 flag=1 text=a=b name=abc written=some text list=1;16;3;\n", "gone")


def the_only_entry(suite):
    module = Module(suite, "module", [suite.options.params])
    module.command("  plain > text ")
    module.command("cat /proc/params")
    must_end(module, 0, "written=plain > text list=")


def mistakes(suite):
    for setting, text in (("nothing=1", "no such parameter"), ("number=x", "Invalid argument"),
                          ("small=70000", "out of range"), ("list=1,2,3,4,5", "Invalid argument"),
                          ("name=much-too-long", "")):
        must_end(Module(suite, setting, [suite.options.params, setting]), 1, text)
    must_end(Module(suite, "no module", ["/nowhere.so"]), 1, "/nowhere.so")
    must_end(Module(suite, "no arguments", []), 2, "usage")
    module = Module(suite, "bad commands", [suite.options.params])
    module.command("cat /proc/absent")
    module.command(f"echo {'x' * 100} > /proc/params")
    must_end(module, 1, "/proc/absent: no module made it", "/proc/params: Invalid argument", "gone")


def interrupted(suite):
    module = Module(suite, "module", [suite.options.params])
    module.command("sleep")
    module.must_say("asleep")
    module.child.send_signal(signal.SIGINT)
    module.must_say("interrupted")
    module.command("echo again > /proc/params")
    module.command("cat /proc/params")
    must_end(module, 1, "written=again", "gone")


def facilities(suite):
    must_end(Module(suite, "facilities", [suite.options.facilities]), 0, "all facilities work")


suite = Suite(options(__doc__, kmod="", params="", facilities=""))
suite.case("parameters and commands", parameters, suite)
suite.case("text for the only entry", the_only_entry, suite)
suite.case("mistakes", mistakes, suite)
suite.case("^C", interrupted, suite)
suite.case("what the kernel offers", facilities, suite)
suite.finish()
