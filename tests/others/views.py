"""Runs the views of docs/examples/sql/evlog.sql in DuckDB, over JSON Lines and over Parquet: both say what evlog says.

Usage: views.py EVLOG
"""

import json
import os
import re
import sys

import duckdb
from log import REPOSITORY, equal, of_everything

VIEWS = ["events", "runs", "outcomes", "who_did_what"]


def answers(source, text):
    """The rows of every view, over the events that `source` names."""
    connection = duckdb.connect()
    connection.sql("SET TimeZone = 'UTC'")
    connection.sql(source)
    connection.sql(text)
    return {view: connection.sql(f"FROM {view}").fetchall() for view in VIEWS}


def main():
    room = of_everything(sys.argv[1])
    room.export("parquet", "events.parquet")
    with open(room.path("events.jsonl"), "w", encoding="utf-8") as file:
        file.write(room.run("cat", "--json"))
    text = (REPOSITORY / "docs/examples/sql/evlog.sql").read_text(encoding="utf-8")
    # The two sources as the file says them.
    sources = re.findall(r"^--   (CREATE OR REPLACE VIEW exported .*;)$", text, re.MULTILINE)
    equal("sources", 2, len(sources))
    os.chdir(room.dir.name)
    parquet, jsonl = (answers(source, text) for source in sources)

    def comparable(rows):
        return [tuple(json.loads(cell) if nth == 16 else cell for nth, cell in enumerate(row)) for row in rows]

    parquet["events"].sort()
    jsonl["events"].sort()
    equal("events", comparable(parquet.pop("events")), comparable(jsonl["events"]))
    equal("count of events", len(room.events()), len(jsonl.pop("events")))
    equal("other views", parquet, jsonl)
    runs = [json.loads(line) for line in room.run("runs", "--json").splitlines()]
    expected = [(run["run"], run["events"], run["first_seq"], run["last_seq"]) for run in runs]
    equal("runs", expected, [row[:4] for row in jsonl["runs"]])
    lines = room.events("--kind", "pipeline.outcome_recorded")
    names = ["stage", "status", "fail_mode", "reason_code"]
    expected = [(line["stream"], *(line["payload"][name] for name in names), line["seq"]) for line in lines]
    equal("outcomes", expected, [row[:6] for row in jsonl["outcomes"]])
    counts = {}
    for event in room.events():
        key = (event["actor"], event["principal"], event["kind"])
        counts[key] = counts.get(key, 0) + 1
    found = {row[:3]: row[3] for row in jsonl["who_did_what"]}
    equal("who did what", counts, found)


main()
