"""Reads every export with other programs: each sees the events that `evlog cat --json` shows, and as many.

Usage: exports.py EVLOG
"""

import csv
import datetime
import json
import sys

import duckdb
import pm4py
import pyarrow.dataset
import pyarrow.parquet
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from google.protobuf.json_format import Parse
from log import equal, of_everything
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData


def canonical(payload):
    return json.dumps(payload, sort_keys=True)


def short(event):
    """What every format has of an event."""
    return (event["seq"], event["stream"], event["kind"], event["actor"], event["id"], canonical(event["payload"]))


def jsonl(room, events, equal):
    room.export("jsonl", "e.jsonl")
    with open(room.path("e.jsonl"), encoding="utf-8") as file:
        equal("json: JSON Lines", events, [json.loads(line) for line in file])
    counted = duckdb.sql(f"SELECT count(*) FROM read_json('{room.path('e.jsonl')}')").fetchall()[0][0]
    equal("duckdb: JSON Lines", len(events), counted)


def unescaped(cell):
    return cell[1:] if cell.startswith("'") else cell


def comma_separated(room, events, equal):
    room.export("csv", "e.csv")
    with open(room.path("e.csv"), encoding="utf-8", newline="") as file:
        rows = [{name: unescaped(cell) for name, cell in row.items()} for row in csv.DictReader(file, strict=True)]

    def cell(name, value):
        if name == "payload":
            return canonical(value)
        return "" if value is None else str(value)

    expected = [{name: cell(name, value) for name, value in event.items()} for event in events]
    found = [{**row, "payload": canonical(json.loads(row["payload"]))} for row in rows]
    equal("csv: CSV", expected, found)
    text = f"read_csv('{room.path('e.csv')}', header = true, all_varchar = true, quote = '\"', escape = '\"')"
    cells = duckdb.sql(f"SELECT seq, payload FROM {text}").fetchall()
    found = [(int(seq), canonical(json.loads(unescaped(cell)))) for seq, cell in cells]
    equal("duckdb: CSV", [(event["seq"], canonical(event["payload"])) for event in events], found)


def cloudevents(room, events, equal):
    room.export("cloudevents", "e.cloudevents")
    found, sources = [], set()
    with open(room.path("e.cloudevents"), "rb") as file:
        for line in file:
            event = JSONFormat().read(CloudEvent, line)
            sources.add(event.get_source())
            attributes = event.get_attributes()
            seq = int(attributes["sequence"])
            equal_id = event.get_id() == str(seq) and event.get_specversion() == "1.0"
            if not equal_id or event.get_time() is None:
                raise SystemExit(f"cloudevents: event {seq} is not what it says")
            data = canonical(event.get_data())
            found.append((seq, event.get_subject(), event.get_type(), attributes["actor"], attributes.get("commandid"), data))
    equal("cloudevents: CloudEvents", [short(event) for event in events], found)
    equal("cloudevents: one source", 1, len(sources))


def opentelemetry(room, events, equal):
    room.export("otlp-json", "e.otlp")
    found = []
    with open(room.path("e.otlp"), encoding="utf-8") as file:
        for line in file:
            for resource in Parse(line, LogsData()).resource_logs:
                for scope in resource.scope_logs:
                    found.extend(of_record(record) for record in scope.log_records)
    equal("opentelemetry: OTLP", [short(event) for event in events], found)


def of_record(record):
    attributes = {one.key: one.value for one in record.attributes}
    key = attributes["evlog.id"].string_value if "evlog.id" in attributes else None
    payload = canonical(json.loads(record.body.string_value))
    stream, actor = attributes["evlog.stream"].string_value, attributes["evlog.actor"].string_value
    return (attributes["evlog.seq"].int_value, stream, record.event_name, actor, key, payload)


def process_mining(room, events, equal):
    room.export("xes", "e.xes")
    log = pm4py.read_xes(room.path("e.xes"))
    rows = log[["seq", "case:concept:name", "concept:name", "org:resource", "payload"]].itertuples(index=False)
    found = sorted((seq, run, kind, actor, canonical(json.loads(payload))) for seq, run, kind, actor, payload in rows)
    of_runs = [short(event) for event in events if event["stream"] != "$log"]
    equal("pm4py: XES", [(seq, run, kind, actor, data) for seq, run, kind, actor, _, data in of_runs], found)
    equal("pm4py: traces", len({event[1] for event in of_runs}), log["case:concept:name"].nunique())


def nanoseconds(text):
    """The Unix nanoseconds of a time with nine fractional digits."""
    if text is None:
        return None
    whole, fraction = text.removesuffix("Z").split(".")
    return int(datetime.datetime.fromisoformat(whole + "+00:00").timestamp()) * 10**9 + int(fraction)


def parquet(room, events, equal):
    room.export("parquet", "e.parquet", "--flatten", "custom/text")
    table = pyarrow.parquet.read_table(room.path("e.parquet"))
    names = ["seq", "stream", "kind", "actor", "id", "payload"]
    rows = [(*row[:5], canonical(json.loads(row[5]))) for row in zip(*(table[name].to_pylist() for name in names))]
    equal("pyarrow: Parquet", [short(event) for event in events], rows)
    members = [event["payload"] if event["kind"] == "custom/text" else {} for event in events]
    for name in ["text", "n", "x"]:
        equal(f"pyarrow: payload_{name}", [data.get(name) for data in members], table[f"payload_{name}"].to_pylist())
    columns = "seq, stream, kind, actor, id, payload, epoch_ns(recorded), epoch_us(occurred), occurred_text"
    rows = duckdb.sql(f"SELECT {columns} FROM '{room.path('e.parquet')}' ORDER BY seq").fetchall()
    found = [(*row[:5], canonical(json.loads(row[5])), *row[6:]) for row in rows]

    def times(event):
        occurred_ns = nanoseconds(event["occurred"])
        return (nanoseconds(event["recorded"]), occurred_ns and occurred_ns // 1000, event["occurred"])

    expected = [(*short(event), *times(event)) for event in events]
    equal("duckdb: Parquet", expected, found)
    room.export("parquet", "days", "--by-day")
    dataset = pyarrow.dataset.dataset(room.path("days"), format="parquet", partitioning="hive")
    equal("pyarrow: Parquet by day", len(events), dataset.count_rows())
    days = duckdb.sql(f"SELECT DISTINCT day::VARCHAR FROM '{room.path('days')}/**/*.parquet' ORDER BY 1").fetchall()
    equal("duckdb: Parquet by day", sorted({event["recorded"][:10] for event in events}), [day for (day,) in days])


# These comparisons give the same result if one event is missing.
OF_ALL = {"cloudevents: one source", "pm4py: traces", "duckdb: Parquet by day"}


def main():
    room = of_everything(sys.argv[1])
    events = room.events()
    for check in [jsonl, comma_separated, cloudevents, opentelemetry, process_mining, parquet]:
        check(room, events, equal)
        finds_out(check, room, events)


def finds_out(check, room, events):
    """Each comparison of a check fails if an event is missing: one event is removed from the expected events."""
    same = []

    def note(what, expected, found):
        if expected == found and what not in OF_ALL:
            same.append(what)

    check(room, [event for event in events if event["seq"] != len(events) // 2], note)
    if same:
        raise SystemExit(f"{', '.join(same)}: does not find out that an event is missing")


main()
