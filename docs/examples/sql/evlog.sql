-- Views over the events of an evlog log, for DuckDB: `events`, `runs`, `outcomes`, `who_did_what`.
-- They need a view `exported`, which says where the events are. Over Parquet:
--
--   CREATE OR REPLACE VIEW exported AS FROM 'events.parquet';
--
-- Over JSON Lines (`evlog cat --json`, `evlog export --format jsonl`), with the types of the columns, which are not guessed:
--
--   CREATE OR REPLACE VIEW exported AS FROM read_json('events.jsonl', format = 'newline_delimited', columns = {seq: 'BIGINT', "commit": 'BIGINT', stream: 'VARCHAR', number: 'BIGINT', kind: 'VARCHAR', kind_version: 'INTEGER', causation: 'BIGINT', recorded: 'TIMESTAMPTZ_NS', occurred: 'TIMESTAMPTZ', mark: 'VARCHAR', actor: 'VARCHAR', principal: 'VARCHAR', correlation: 'VARCHAR', id: 'VARCHAR', protection: 'INTEGER', payload: 'JSON'});
--
-- Then: .read docs/examples/sql/evlog.sql

-- Every event. `happened` is when it occurred, as its command says, or else when it was recorded, to the microsecond.
CREATE OR REPLACE VIEW events AS
SELECT
    seq,
    "commit",
    recorded,
    occurred,
    coalesce(occurred, make_timestamptz(epoch_ns(recorded) // 1000)) AS happened,
    mark,
    stream,
    number,
    kind,
    kind_version,
    actor,
    principal,
    correlation,
    causation,
    id,
    protection,
    CAST(payload AS JSON) AS payload
FROM exported;

-- Every run, in the order of their first events: `$log` is no run.
CREATE OR REPLACE VIEW runs AS
SELECT
    stream AS run,
    count(*) AS events,
    min(seq) AS first_seq,
    max(seq) AS last_seq,
    arg_min(happened, seq) AS first_time,
    arg_max(happened, seq) AS last_time,
    arg_min(kind, seq) AS first_kind,
    arg_max(kind, seq) AS last_kind
FROM events
WHERE stream <> '$log'
GROUP BY stream
ORDER BY first_seq;

-- How the stages of pipeline runs ended, in the order in which it was recorded.
CREATE OR REPLACE VIEW outcomes AS
SELECT
    stream AS run,
    payload ->> '$.stage' AS stage,
    payload ->> '$.status' AS status,
    payload ->> '$.fail_mode' AS fail_mode,
    payload ->> '$.reason_code' AS reason_code,
    seq,
    happened
FROM events
WHERE kind = 'pipeline.outcome_recorded'
ORDER BY seq;

-- Who did what, how often, and when: the actor as the command says, the principal as the door authenticated.
CREATE OR REPLACE VIEW who_did_what AS
SELECT
    actor,
    principal,
    kind,
    count(*) AS events,
    count(DISTINCT stream) AS streams,
    min(happened) AS first_time,
    max(happened) AS last_time
FROM events
GROUP BY actor, principal, kind
ORDER BY actor, principal, kind;
