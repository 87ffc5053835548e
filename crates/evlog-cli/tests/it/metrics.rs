//! `--metrics`: figures about a command, in a file or on a port, which agree with the log, and never harm the command.

use crate::crash::Lines;
use crate::exposition::Exposed;
use crate::outside::{PATIENCE, line};
use crate::support::{BATCH, Done, Room};
use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

const SAID: &str = "metrics: http://";

/// Reads stderr up to the line that says where the metrics are, and the rest in a thread.
fn address_of(child: &mut Child) -> SocketAddr {
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with(SAID) {
        line.clear();
        assert!(err.read_line(&mut line).unwrap() > 0, "the address was not said");
    }
    std::thread::spawn(move || io::copy(&mut err, &mut io::sink()));
    line.trim_end().strip_prefix(SAID).unwrap().strip_suffix("/metrics").unwrap().parse().unwrap()
}

/// Sends bytes, and reads the answer to its end.
fn answer(address: SocketAddr, request: &[u8]) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Asks until there is an answer. The system may reset a connection, as when the server closes it with bytes unread.
#[track_caller]
fn ask(address: SocketAddr, request: &[u8]) -> String {
    let begun = Instant::now();
    loop {
        match answer(address, request) {
            Ok(answer) => return answer,
            Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
        }
        sleep(Duration::from_millis(20));
    }
}

#[track_caller]
fn scrape(address: SocketAddr) -> Exposed {
    let answer = ask(address, b"GET /metrics HTTP/1.1\r\nHost: evlog\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").expect(&answer);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    Exposed::read(body)
}

/// Scrapes until a page has this.
#[track_caller]
fn scrape_until(address: SocketAddr, is_so: impl Fn(&Exposed) -> bool) -> Exposed {
    let begun = Instant::now();
    loop {
        let page = scrape(address);
        if is_so(&page) {
            return page;
        }
        assert!(begun.elapsed() < PATIENCE, "{page:?}");
        sleep(Duration::from_millis(20));
    }
}

fn file(room: &Room, name: &str) -> Exposed {
    Exposed::read(&fs::read_to_string(room.path(name)).unwrap())
}

fn number(done: &Done, key: &str) -> u64 {
    done.json()[key].as_u64().unwrap_or_else(|| panic!("{key}: {done:?}"))
}

/// Compares what one process counted, which made a log, with the log.
#[track_caller]
fn agrees_with_log(page: &Exposed, room: &Room) {
    let verified = room.ends(0, &["verify", "--json"]);
    assert_eq!(page.value("evlog_commits_total"), number(&verified, "commits"));
    assert_eq!(page.value("evlog_events_total"), number(&verified, "events"));
    assert_eq!(page.value("evlog_log_events"), number(&verified, "next_seq"));
    let len: u64 = room.segments().iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert_eq!(page.value("evlog_log_size_bytes"), len);
    // The header of the first segment is there before the first commit.
    assert_eq!(page.value("evlog_written_bytes_total"), len - 96);
    assert!(page.value("evlog_sync_duration_seconds_count") > 0);
    assert!(page.seconds("evlog_sync_duration_seconds_sum") > 0.0);
    assert_eq!(page.get("evlog_sync_failures_total"), Some(0));
}

#[test]
fn after_submit_its_file_agrees_with_the_log_and_counts_the_answers_by_outcome_and_code() {
    let room = Room::new();
    let input = format!("{BATCH}not a command\n");
    let done = room.feed(&["submit", "--metrics", "evlog.prom"], &input);
    assert_eq!(done.code, 2, "a line is malformed, so the command fails: {done:?}");
    let page = file(&room, "evlog.prom");
    agrees_with_log(&page, &room);
    for outcome in ["accepted", "rejected", "refused", "duplicate", "malformed"] {
        let expected = done.lines().iter().filter(|line| line["result"] == outcome).count();
        let found = page.labelled("evlog_commands_total", &[("outcome", outcome)]);
        assert_eq!(found, Some(expected as u64), "{outcome}");
    }
    for line in done.lines().iter().filter(|line| line["result"] == "rejected" || line["result"] == "refused") {
        let code = line["error"]["code"].as_str().unwrap();
        assert!(page.labelled("evlog_refusals_total", &[("code", code)]) >= Some(1), "{code}");
    }
    assert_eq!(page.shared["command"], "submit");
    let log = fs::canonicalize(room.path("evlog")).unwrap();
    assert_eq!(fs::canonicalize(&page.shared["log"]).unwrap(), log);
    let names = page.names();
    let absent = |part: &str| assert!(!names.iter().any(|name| name.contains(part)), "{part}: {names:?}");
    ["read", "verif", "verdict", "lag", "cosign", "witness", "stage", "checkpoint"].into_iter().for_each(absent);
    // No temporary file stays.
    let left: Vec<String> =
        fs::read_dir(room.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn what_is_not_known_yet_is_absent() {
    let room = Room::new();
    let done = room.feed(&["submit", "--metrics", "evlog.prom"], "");
    assert_eq!(done.code, 0, "{done:?}");
    let page = file(&room, "evlog.prom");
    assert_eq!(page.get("evlog_commits_total"), None, "there is no log");
    assert_eq!(page.get("evlog_log_events"), None);
    assert_eq!(page.labelled("evlog_commands_total", &[("outcome", "accepted")]), Some(0));
    let version = room.ends(0, &["version", "--json"]).json();
    let commit = version["commit"].as_str().unwrap_or("");
    let log_format = version["format"]["writes"].to_string();
    let labels = [("version", version["version"].as_str().unwrap()), ("commit", commit), ("log_format", &log_format)];
    assert_eq!(page.labelled("evlog_build_info", &labels), Some(1));
    for made in version["projections"].as_array().unwrap() {
        let labels = [("projection", made["name"].as_str().unwrap()), ("version", &made["version"].to_string())];
        assert_eq!(page.labelled("evlog_projection_info", &labels), Some(1), "{made}");
    }
}

#[test]
fn a_scrape_during_a_run_is_answered_and_the_file_of_a_failed_run_agrees_with_the_log() {
    let room = Room::new();
    room.ends(0, &["run", "--init", "first"]);
    let plan = fs::read_to_string(room.path("first/plan.toml")).unwrap();
    let go = room.path("go").display().to_string();
    let waiting =
        plan.replacen("echo \"weighing", &format!("while [ ! -e '{go}' ]; do sleep 0.02; done; echo \"weighing"), 1);
    assert_ne!(waiting, plan);
    room.write("first/waits.toml", &waiting);
    let mut child = room.spawn(&["run", "first/waits.toml", "--metrics", ":0"]);
    let address = address_of(&mut child);
    assert!(address.ip().is_loopback());
    let success = |page: &Exposed| page.labelled("evlog_stage_outcomes_total", &[("status", "success")]);
    let page = scrape_until(address, |page| success(page) == Some(1));
    assert!(page.value("evlog_commits_total") > 1, "{page:?}");
    assert_eq!(page.shared["command"], "run");
    room.write("go", "");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(TcpStream::connect(address).is_err(), "the port is closed with the command");

    let wrong = plan.replacen("\"parcels\":%s", "\"parcels\":\"%s\"", 1);
    assert_ne!(wrong, plan);
    room.write("first/wrong.toml", &wrong);
    let log = ["--log", "other"];
    let done = room.ends(20, &[&["run", "first/wrong.toml", "--metrics", "run.prom"][..], &log].concat());
    let page = file(&room, "run.prom");
    assert_eq!(page.labelled("evlog_stage_outcomes_total", &[("status", "failed")]), Some(1), "{done:?}");
    let verified = room.ends(0, &[&["verify", "--json"][..], &log].concat());
    assert_eq!(page.value("evlog_events_total"), number(&verified, "events"));
    assert_eq!(page.value("evlog_commits_total"), number(&verified, "commits"));
}

#[test]
fn clients_that_send_nothing_or_half_a_request_stop_neither_others_nor_the_end() {
    let room = Room::new();
    let mut child = room.spawn(&["submit", "--metrics", ":0"]);
    let (lines, address) = (Lines::of(&mut child), address_of(&mut child));
    let silent: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(address).unwrap()).collect();
    for mut client in silent.iter().step_by(2) {
        // The server may have dropped it for a newer one.
        let _gone = client.write_all(b"GET /metr");
    }
    let mut input = child.stdin.take().unwrap();
    for number in 0..50 {
        input.write_all(line("a", number).as_bytes()).unwrap();
        lines.wait_for(number as u64 + 1, &mut child);
        assert_eq!(
            scrape(address).labelled("evlog_commands_total", &[("outcome", "accepted")]),
            Some(number as u64 + 1)
        );
    }
    let begun = Instant::now();
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(begun.elapsed() < PATIENCE);
    drop(silent);
}

#[test]
fn requests_that_are_no_scrape_are_answered_and_change_nothing() {
    let room = Room::new();
    let mut child = room.spawn(&["submit", "--metrics", ":0"]);
    let address = address_of(&mut child);
    let long = format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    let cases: [(&[u8], &str); 8] = [
        (b"GET /metrics?name=x HTTP/1.0\r\n\r\n", "200 OK"),
        (b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found"),
        (b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found"),
        (b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "405 Method Not Allowed"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "400 Bad Request"),
        (b"GET /metrics SMTP\r\n\r\n", "400 Bad Request"),
        (long.as_bytes(), "431 Request Header Fields Too Large"),
    ];
    for (request, expected) in cases {
        let answer = ask(address, request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}\r\n")), "{expected}: {answer}");
        assert_eq!(answer.ends_with("\r\n\r\n"), request.starts_with(b"HEAD"), "{answer}");
    }
    // A client that leaves at once.
    drop(TcpStream::connect(address).unwrap());
    TcpStream::connect(address).unwrap().shutdown(Shutdown::Both).unwrap();
    scrape(address);
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_port_that_is_taken_ends_the_command_before_it_does_anything() {
    let room = Room::new();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let done = room.feed(&["submit", "--metrics", &address], BATCH);
    assert_eq!((done.code, done.out.as_str()), (2, ""), "{done:?}");
    done.says(&format!("could not listen on {address}")).says("nothing was done");
    room.ends(0, &["run", "--init", "first"]);
    let done = room.ends(2, &["run", "first/plan.toml", "--metrics", &address]);
    done.says("nothing was done");
    assert!(!room.path("evlog").exists() && !room.path("runs").exists());
}

#[test]
fn a_file_that_cannot_be_written_ends_the_command_before_it_does_anything() {
    let room = Room::new();
    room.write("lines.jsonl", BATCH);
    for (place, says) in [
        ("missing/evlog.prom", "missing/evlog.prom"),
        ("evlog/x.prom", "outside the log"),
        ("lines.jsonl", "found other text"),
        (".", "found a directory"),
        ("/dev/stdout", "found a path in `/dev`"),
    ] {
        let done = room.feed(&["submit", "--metrics", place], BATCH);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{done:?}");
        done.says("--metrics").says(says).says("nothing was done");
        assert!(!room.path("evlog").exists());
    }
    assert_eq!(fs::read_to_string(room.path("lines.jsonl")).unwrap(), BATCH);
}

#[test]
fn a_run_whose_metrics_cannot_begin_leaves_the_junit_report_as_it_was() {
    let room = Room::new();
    room.write("lines.jsonl", BATCH);
    room.ends(0, &["run", "--init", "first"]);
    let old = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites />";
    room.write("old.xml", old);
    for metrics in ["missing/evlog.prom", "lines.jsonl"] {
        for junit in ["new.xml", "old.xml"] {
            let done = room.ends(2, &["run", "first/plan.toml", "--junit", junit, "--metrics", metrics]);
            done.says("--metrics").says("nothing was done");
        }
    }
    assert!(!room.path("new.xml").exists() && !room.path("evlog").exists() && !room.path("runs").exists());
    assert_eq!(fs::read_to_string(room.path("old.xml")).unwrap(), old);
    let done = room.ends(2, &["run", "first/plan.toml", "--junit", "evlog/x.xml", "--metrics", "evlog.prom"]);
    done.says("--junit").says("nothing was done");
    assert!(!room.path("evlog.prom").exists());
}

#[test]
fn a_file_that_cannot_be_written_any_more_is_a_warning_and_not_the_verdict() {
    let room = Room::new();
    fs::create_dir(room.path("dir")).unwrap();
    let mut child = room.spawn(&["submit", "--metrics", "dir/evlog.prom"]);
    let lines = Lines::of(&mut child);
    let mut input = child.stdin.take().unwrap();
    input.write_all(line("a", 0).as_bytes()).unwrap();
    lines.wait_for(1, &mut child);
    fs::remove_dir_all(room.path("dir")).unwrap();
    drop(input);
    let done: Done = child.wait_with_output().unwrap().into();
    assert_eq!(done.code, 0, "{done:?}");
    done.says("warning: --metrics: could not write `dir/evlog.prom`");
}

#[test]
fn a_process_that_is_killed_leaves_a_whole_file() {
    let room = Room::new();
    let mut child = room.spawn(&["submit", "--metrics", "evlog.prom"]);
    let lines = Lines::of(&mut child);
    let mut input = child.stdin.take().unwrap();
    input.write_all(line("a", 0).as_bytes()).unwrap();
    lines.wait_for(1, &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(file(&room, "evlog.prom").seconds("evlog_process_start_time_seconds") > 1.7e9);
}

#[test]
fn a_follower_that_verifies_shows_how_far_it_is_and_how_old_the_verdict_is() {
    let room = Room::with_batch();
    let mut child = room.spawn(&["tail", "-f", "--verify", "--metrics", ":0"]);
    let (lines, address) = (Lines::of(&mut child), address_of(&mut child));
    let page = scrape_until(address, |page| page.get("evlog_read_lag_events") == Some(0));
    let events = number(&room.ends(0, &["verify", "--json"]), "events");
    for name in ["evlog_verified_events", "evlog_log_events"] {
        assert_eq!(page.value(name), events, "{name}");
    }
    assert_eq!(page.value("evlog_read_events_total"), 10, "the last ten are shown");
    assert_eq!(page.value("evlog_verification_lag_events"), 0);
    assert_eq!(page.value("evlog_verification_findings"), 0);
    assert!(page.seconds("evlog_verdict_age_seconds") < PATIENCE.as_secs_f64());
    let start = page.seconds("evlog_process_start_time_seconds");
    assert!(page.seconds("evlog_verdict_timestamp_seconds") >= start);
    assert_eq!(page.get("evlog_commits_total"), None, "it writes nothing");
    assert_eq!(room.feed(&["submit"], &line("a", 0)).code, 0);
    let page = scrape_until(address, |page| page.value("evlog_verified_events") == events + 3);
    assert_eq!(page.value("evlog_log_events"), events + 3);
    child.kill().unwrap();
    child.wait().unwrap();
    drop(lines);
}

#[test]
fn the_lag_of_a_follower_grows_while_nobody_reads_its_answer() {
    let room = Room::with_batch();
    let mut child = room.spawn(&["tail", "-f", "-n", "0", "--metrics", ":0"]);
    let address = address_of(&mut child);
    scrape_until(address, |page| page.get("evlog_read_lag_events") == Some(0));
    let many: String = (0..5000).map(|number| line("a", number)).collect();
    assert_eq!(room.feed(&["submit"], &many).code, 0);
    let events = number(&room.ends(0, &["verify", "--json"]), "events");
    // More than the pipe and the buffers hold comes only when somebody reads.
    let page = scrape_until(address, |page| page.value("evlog_log_events") == events);
    assert!(page.value("evlog_read_lag_events") > 1000, "{page:?}");
    let lines = Lines::of(&mut child);
    scrape_until(address, |page| page.value("evlog_read_lag_events") == 0);
    child.kill().unwrap();
    child.wait().unwrap();
    drop(lines);
}

#[test]
fn a_follower_whose_reader_has_gone_ends_with_clients_that_hang() {
    let room = Room::with_batch();
    let mut child = room.spawn(&["tail", "-f", "--metrics", ":0"]);
    let address = address_of(&mut child);
    let hanging = TcpStream::connect(address).unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    hanging.set_read_timeout(Some(PATIENCE)).unwrap();
    let ended = (&hanging).read(&mut [0]);
    assert!(matches!(&ended, Ok(0)) || ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
}

#[test]
fn a_writer_that_signs_shows_how_many_events_its_checkpoint_does_not_cover() {
    let room = Room::new();
    room.ends(0, &["key", "new", "example.com/builds"]);
    let done = room.feed(&["submit", "--key", "builds.key", "--metrics", "evlog.prom"], &line("a", 0));
    assert_eq!(done.code, 0, "{done:?}");
    let page = file(&room, "evlog.prom");
    assert_eq!(page.value("evlog_checkpoints_total"), 1);
    assert!(page.seconds("evlog_checkpoint_timestamp_seconds") >= page.seconds("evlog_process_start_time_seconds"));
    // The event that records the checkpoint, and the end of the session.
    assert_eq!(page.value("evlog_checkpoint_lag_events"), 2);
}

#[test]
fn a_witness_shows_what_it_cosigned_and_what_it_refused() {
    let room = Room::with_batch();
    room.ends(0, &["key", "new", "example.com/builds"]);
    room.ends(0, &["key", "new", "example.com/witness", "--witness"]);
    room.ends(0, &["checkpoint", "--key", "builds.key", "--out", "b.note"]);
    let witness = |code: i32| {
        let keys = ["--log-key", "builds.pub", "--key", "witness.key", "--out", "w.note"];
        room.ends(code, &[&["witness", "b.note", "--state", "seen", "--metrics", "w.prom"][..], &keys].concat());
        file(&room, "w.prom")
    };
    let page = witness(0);
    assert_eq!(page.shared["origin"], "example.com/builds");
    assert_eq!((page.value("evlog_cosignature_lag_events"), page.value("evlog_witness_refused")), (0, 0));
    let events = page.value("evlog_cosigned_events");
    assert!(events > 0 && page.value("evlog_cosigned_size_bytes") > 0);
    assert_eq!(room.feed(&["submit"], &line("a", 0)).code, 0);
    room.ends(0, &["checkpoint", "--key", "builds.key", "--out", "b.note"]);
    let page = witness(2);
    assert_eq!(page.value("evlog_witness_refused"), 1, "it needs a proof");
    assert_eq!(page.value("evlog_cosigned_events"), events);
    assert!(page.value("evlog_cosignature_lag_events") > 0);
}

#[test]
fn a_target_that_is_neither_a_file_nor_an_address_is_refused() {
    let room = Room::with_batch();
    for typed in ["9464", "::1:9464", "example.com:9464", ":65536", ""] {
        let done = room.ends(2, &["submit", "--metrics", typed]);
        done.says("expected");
        assert!(!room.path(typed).is_file());
    }
    let witness = ["witness", "b.note", "--state", "seen", "--log-key", "b.pub", "--key", "w.key", "--metrics", ":0"];
    room.ends(2, &witness).says("expected a file");
    room.ends(2, &["tail", "--metrics", ":0"]).says("--follow");
    room.ends(2, &["run", "--init", "x", "--metrics", ":0"]).says("--metrics");
}
