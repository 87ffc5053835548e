"""Compares the rules on order of `evlog audit` with the DECLARE conformance of pm4py, on the XES export of random logs.

For every template without conditions, as many runs violate it as pm4py says. Two templates are compared in another way: pm4py
takes `nonsuccession` and `nonchainsuccession` for the negation of succession and chain succession, and DECLARE does not. There
pm4py's number is compared with the runs that have both kinds and no finding of the positive rule; and ours with a check of all pairs,
written here. The wheel of pm4py has no example logs.

Usage: declare.py EVLOG [NUMBER OF RANDOM LOGS]
"""

import json
import random
import sys

import pm4py
from log import Room, recorded

# Our name of a template, and pm4py's.
OF_ONE = {"existence": "existence", "absence": "absence", "exactly": "exactly_one", "init": "init"}
OF_TWO = {
    "responded_existence": "responded_existence",
    "response": "response",
    "precedence": "precedence",
    "succession": "succession",
    "alternate_response": "altresponse",
    "alternate_precedence": "altprecedence",
    "alternate_succession": "altsuccession",
    "chain_response": "chainresponse",
    "chain_precedence": "chainprecedence",
    "chain_succession": "chainsuccession",
    "co_existence": "coexistence",
    "not_co_existence": "noncoexistence",
}
# The two that mean something else there: pm4py's name, and our positive rule.
NEGATED = {
    "not_succession": ("nonsuccession", "succession"),
    "not_chain_succession": ("nonchainsuccession", "chain_succession"),
}
KINDS = "abcd"
PAIRS = [(first, then) for first in KINDS for then in KINDS if first != then]


def random_log(program, seed):
    """A log of runs whose events are mixed, and its runs: the kinds of each, in order."""
    drawn = random.Random(seed)
    lines = [(f"R{run}", drawn.choice(KINDS)) for run in range(drawn.randint(1, 60)) for _ in range(drawn.randint(1, 9))]
    drawn.shuffle(lines)
    room, runs = Room(program), {}
    room.submit(recorded(kind, run) for run, kind in lines)
    for run, kind in lines:
        runs.setdefault(run, []).append(kind)
    return room, runs


def violating(room, template, of):
    """The runs of each rule that evlog finds to violate it: one file, because rules of one template do not contradict each other."""
    text = ""
    for nth, kinds in enumerate(of):
        names = ["kind"] if len(kinds) == 1 else ["first", "then"]
        members = "\n".join(f'{name} = "custom/{kind}"' for name, kind in zip(names, kinds))
        text += f'[[rule]]\nname = "r{nth}"\ntemplate = "{template}"\n{members}\n'
    with open(room.path("rules.toml"), "w", encoding="utf-8") as file:
        file.write(text)
    answer = json.loads(room.run("audit", "--rules", "rules.toml", "--as-ended", "--json", codes=(0, 1)))
    found = {f"r{nth}": set() for nth in range(len(of))}
    for finding in answer["findings"]:
        if finding["rule"] in found:
            found[finding["rule"]].add(finding["case"])
    return list(found.values())


def conformance(log, name, kinds):
    """How many runs pm4py finds to violate a rule."""
    key = "custom/" + kinds[0] if len(kinds) == 1 else tuple("custom/" + kind for kind in kinds)
    found = pm4py.conformance_declare(log, {name: {key: {"support": 1, "confidence": 1}}})
    return sum(1 for run in found if run["no_dev_total"] > 0)


def brute(template, runs, first, then):
    """The runs that violate a negated rule, by all pairs of events."""
    def is_broken(kinds):
        pairs = [(nth, later) for nth in range(len(kinds)) for later in range(nth + 1, len(kinds))]
        if template == "not_chain_succession":
            pairs = [(nth, later) for nth, later in pairs if later == nth + 1]
        return any((kinds[nth], kinds[later]) == (first, then) for nth, later in pairs)

    return {run for run, kinds in runs.items() if is_broken(kinds)}


def differences(program, seed):
    """What differs over one random log, and how much was compared."""
    room, runs = random_log(program, seed)
    room.export("xes", "log.xes")
    log = pm4py.read_xes(room.path("log.xes"))
    different, compared = [], 0
    for template, name in [*OF_ONE.items(), *OF_TWO.items()]:
        of = [(kind,) for kind in KINDS] if template in OF_ONE else PAIRS
        # A run has one first event, so several rules about it contradict each other.
        groups = [[one] for one in of] if template == "init" else [of]
        for group in groups:
            for kinds, found in zip(group, violating(room, template, group)):
                compared += 1
                expected = conformance(log, name, kinds)
                if len(found) != expected:
                    different.append(f"seed {seed}: {template}{kinds}: pm4py {expected}, evlog {len(found)}")
    for template, (name, positive) in NEGATED.items():
        ours, kept = violating(room, template, PAIRS), violating(room, positive, PAIRS)
        for (first, then), found, broken in zip(PAIRS, ours, kept):
            compared += 2
            both = {run for run, kinds in runs.items() if first in kinds and then in kinds}
            expected = conformance(log, name, (first, then))
            if len(both - broken) != expected:
                different.append(f"seed {seed}: {positive}({first}, {then}) kept: pm4py {expected}, evlog {len(both - broken)}")
            if found != brute(template, runs, first, then):
                different.append(f"seed {seed}: {template}({first}, {then}): evlog {found}")
    return different, compared


def finds_out(program):
    """The comparison is one that can fail: response is not precedence."""
    room, _ = random_log(program, 0)
    room.export("xes", "log.xes")
    log = pm4py.read_xes(room.path("log.xes"))
    ours = [len(found) for found in violating(room, "response", PAIRS)]
    if ours == [conformance(log, "precedence", pair) for pair in PAIRS]:
        raise SystemExit("declare: does not find out that a template is another one")


def main():
    finds_out(sys.argv[1])
    logs = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    found = [differences(sys.argv[1], seed) for seed in range(logs)]
    different = [line for lines, _ in found for line in lines]
    print(f"pm4py: {sum(compared for _, compared in found)} rules over {logs} random logs, {len(different)} differ")
    if different:
        raise SystemExit("\n".join(different))


main()
