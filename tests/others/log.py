"""Logs for the checks of this directory, and what evlog itself says of them: the yardstick."""

import json
import pathlib
import shutil
import subprocess
import tempfile

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]

# One command of each contract that has rules, with events that are rejected; and texts that formats treat in a special way.
COMMANDS = [
    {"contract": "status", "run": "RUN_1", "do": "create", "id": "c1", "at": "2026-02-23T18:00:00.123456789Z"},
    {"contract": "status", "run": "RUN_1", "do": "transition", "to": "running", "actor": "agent:intake"},
    {"contract": "status", "run": "RUN_1", "do": "transition", "to": "planned"},
    {
        "contract": "pipeline",
        "run": "11111111-1111-4111-8111-111111111111",
        "do": "create",
        "pipeline": "purple-axiom",
        "manifest": {},
        "stages": {"signing": {"enabled": False}},
    },
    {
        "contract": "pipeline",
        "run": "11111111-1111-4111-8111-111111111111",
        "do": "outcome",
        "stage": "lab_provider",
        "status": "failed",
        "fail_mode": "fail_closed",
        "reason_code": "config_schema_invalid",
    },
    {"contract": "pipeline", "run": "11111111-1111-4111-8111-111111111111", "do": "finalize"},
]
TEXTS = ["=1+1", "-5", "'x", 'a,"b"', "line\nbreak", "\u202etfel", "<&>]]>", "\U0001f600", "", "\t"]

# XML cannot hold these. In JSON they have an escape.
NO_CHARACTERS = "\ufffe\uffff"


class Room:
    """A directory with a log, and the program."""

    def __init__(self, program):
        self.program = pathlib.Path(program).resolve()
        self.dir = tempfile.TemporaryDirectory()

    def path(self, name):
        return str(pathlib.Path(self.dir.name) / name)

    def run(self, *words, codes=(0,), text=None, log="log"):
        done = subprocess.run(
            [self.program, "--quiet", "--log", self.path(log), *words],
            input=text,
            capture_output=True,
            text=True,
            cwd=self.dir.name,
            check=False,
        )
        if done.returncode not in codes:
            raise SystemExit(f"evlog {' '.join(words)}: exit code {done.returncode}: {done.stderr}")
        return done.stdout

    def submit(self, commands, log="log"):
        text = "".join(json.dumps(command) + "\n" for command in commands)
        self.run("submit", text=text, codes=(0, 1), log=log)

    def export(self, form, name, *words, log="log"):
        """Exports to a file, in the place of an earlier one; gives the answer."""
        for earlier in pathlib.Path(self.dir.name).glob(name):
            shutil.rmtree(earlier) if earlier.is_dir() else earlier.unlink()
        return json.loads(self.run("export", "--format", form, "--out", self.path(name), "--json", *words, log=log))

    def events(self, *words, log="log"):
        return [json.loads(line) for line in self.run("cat", "--json", *words, log=log).splitlines()]


def recorded(kind, run, data=None, **members):
    """A command that records an event of contract custom."""
    return {"contract": "custom", "run": run, "do": "record", "kind": f"custom/{kind}", "data": data, **members}


def of_everything(program):
    """A log with events of several contracts, odd texts, and more events than one batch holds."""
    room = Room(program)
    room.submit(COMMANDS)
    room.submit(recorded("text", f"t-{nth % 3}", {"text": text, "n": nth}, actor=text.strip() or "nobody")
                for nth, text in enumerate(TEXTS) if "\n" not in text)
    room.submit(recorded("text", "t-0", {"text": text, "x": 1.5, "list": [text]}) for text in [*TEXTS, NO_CHARACTERS])
    room.submit(recorded("many", f"m-{nth % 7}", nth) for nth in range(700))
    return room


def equal(what, expected, found):
    """Ends the check if two things differ."""
    if expected != found:
        if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
            expected, found = next(pair for pair in zip(expected, found) if pair[0] != pair[1])
        raise SystemExit(f"{what}: expected {expected!r:.600}, found {found!r:.600}")
    print(f"{what}: the same")
