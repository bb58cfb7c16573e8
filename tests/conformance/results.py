# SPDX-License-Identifier: BSD-2-Clause
"""Results of tests: kept as data, one test a line, and compared."""

import json
import re
from collections import Counter
from dataclasses import dataclass

# Reasons to skip that name something a machine lacks. What skips for another reason lacks something in Verbatim.
MACHINE = (
    r"/dev/dri/",                            # a GPU to take a dma-buf from
    r"huge pages",                           # set aside by the administrator
    r"must be done by root|be run by root",  # CAP_NET_RAW
    r"PCI device",                           # an eSwitch is a part of a PCI device
)


@dataclass
class Result:
    name: str
    outcome: str  # ok, skipped, FAIL, ERROR
    reason: str = ""

    @property
    def bad(self):
        return self.outcome in ("FAIL", "ERROR")

    @property
    def by_machine(self):
        return self.outcome == "skipped" and any(re.search(each, self.reason) for each in MACHINE)

    def __str__(self):
        return f"{self.outcome:7} {self.name}" + (f": {self.reason}" if self.reason else "")


def _stable(reason):
    """A reason without what differs from run to run."""
    return re.sub(r"0x[0-9a-fA-F]{5,}", "0x...", reason)


def write(path, provider, version, found):
    rows = ",\n".join("  " + json.dumps([each.name, each.outcome, _stable(each.reason)]) for each in found)
    head = f'"suite": {json.dumps("rdma-core " + version)}, "provider": {json.dumps(provider)}'
    path.write_text(f'{{{head}, "columns": ["test", "outcome", "reason"], "results": [\n{rows}\n]}}\n',
                    encoding="utf-8")


def read(path):
    return [Result(*row) for row in json.loads(path.read_text(encoding="utf-8"))["results"]]


def summarise(provider, found):
    count = Counter(each.outcome for each in found)
    numbers = ", ".join(f"{count[outcome]} {outcome}" for outcome in ("ok", "skipped", "FAIL", "ERROR"))
    ours = sum(each.outcome == "skipped" and not each.by_machine for each in found)
    print(f"{provider}: {len(found)} tests: {numbers}; {ours} of the skipped for another reason than this machine")


def compare(committed, found):
    """Whether nothing became worse. New passes are told, and ask for an update of the committed results."""
    now = {each.name: each for each in found}
    worse = [now.get(old.name, Result(old.name, "ERROR", "there is no such test any more")) for old in committed
             if old.outcome == "ok"]
    worse = [each for each in worse if each.outcome != "ok" and not each.by_machine]
    known = {each.name for each in committed}
    worse += [each for each in found if each.bad and each.name not in known]
    before = {each.name: each.outcome for each in committed}
    better = [each for each in found if each.outcome == "ok" and before.get(each.name) != "ok"]
    for each in worse:
        print(f"regression: {each}")
    for each in better:
        print(f"passes now: {each.name} (was {before.get(each.name, 'not known')})")
    if better:
        print("run scripts/conformance and commit the results")
    return not worse
