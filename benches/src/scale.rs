//! What logs in buckets cost, and how long a commit takes there: a simulation with published latencies and prices.
//!
//! A writer has one create in flight. The next group leaves when the create before it has returned and the boundary of a
//! compaction was read (evlog does not have one yet), and holds what has come in meanwhile. So the latency of the store sets the size of a group, and nothing else does.
//!
//! Does: simulate the writer of one log, group by group, for a day; count requests and bytes; price them.
//! Does not: simulate lost races, failing requests, or slow reads; know anybody's discount.
//!
//! Logs do not share objects. So one log is simulated, and the figures of many logs are multiples of it. Everything is in
//! whole numbers, so that the tables of `docs/scale.md` come out the same on every machine.

use std::fmt::Write;

/// What a simulation asks.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Logs, each with one writer.
    pub logs: u64,
    /// Events that each log gets a second, evenly spaced.
    pub rate: u64,
    /// Bytes that an event takes in the log, with its share of the commit.
    pub event_len: u64,
}

/// A kind of store.
#[derive(Clone, Copy, Debug)]
pub struct Class {
    /// Name, as its provider writes it.
    pub name: &'static str,
    /// Latency of a conditional write, microseconds, from and to: the range that was published. A read is taken to be as slow.
    pub latency: (u64, u64),
    /// Price of 1,000,000 creates, in thousandths of a dollar.
    pub create: u64,
    /// Price of 1,000,000 reads, in thousandths of a dollar.
    pub read: u64,
    /// Price of a GiB that is stored for a month, in millionths of a dollar.
    pub stored: u64,
    /// Price of a GiB that is written, in millionths of a dollar.
    pub written: u64,
    /// Price of a GiB that is read, in millionths of a dollar.
    pub fetched: u64,
}

/// The stores that are compared. `docs/scale.md` names where the figures were published.
pub const CLASSES: &[Class] = &[
    Class {
        name: "S3 Standard",
        latency: (58_000, 68_000),
        create: 5_000,
        read: 400,
        stored: 23_000,
        written: 0,
        fetched: 0,
    },
    Class {
        name: "S3 Express One Zone",
        latency: (14_000, 26_000),
        create: 1_130,
        read: 30,
        stored: 110_000,
        written: 3_200,
        fetched: 600,
    },
    Class {
        name: "Azure Blob Storage, hot",
        latency: (100_000, 600_000),
        create: 5_000,
        read: 400,
        stored: 18_000,
        written: 0,
        fetched: 0,
    },
    Class {
        name: "Google Cloud Storage, standard",
        latency: (500_000, 700_000),
        create: 5_000,
        read: 400,
        stored: 20_000,
        written: 0,
        fetched: 0,
    },
];

const DAY: u64 = 86_400_000_000;
const MILLION: u64 = 1_000_000;
/// Bytes a second of one connection.
const BANDWIDTH: u64 = 50 * 1024 * 1024;
/// The most bytes of one group, as in `docs/bucket.md`.
const GROUP_LEN_MAX: u64 = 32 * 1024 * 1024;
const SEGMENT_LEN: u64 = 64 * 1024 * 1024;
/// Objects of a segment: its bytes, three sidecars, its groups; and the boundary, which is replaced.
const OBJECTS_OF_SEGMENT: u64 = 6;
/// Lags are counted in steps of a millisecond, up to a minute.
const LAG_STEPS: usize = 60_000;

/// What the writer of one log did in a day.
#[derive(Clone, Debug)]
pub struct Day {
    /// Groups that were created.
    pub groups: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Events in them.
    pub events: u64,
    /// Half of the events are acknowledged within this time, microseconds after they came in.
    pub lag_median: u64,
    /// 99 of 100 events are.
    pub lag_p99: u64,
}

/// The same numbers for the same seed, on every machine (`SplitMix64`).
struct Numbers(u64);

impl Numbers {
    fn within(&mut self, (from, to): (u64, u64)) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        from + (mixed ^ (mixed >> 31)) % (to - from + 1)
    }
}

/// How many events have come in at a time.
fn came(rate: u64, at: u64) -> u64 {
    at * rate / MILLION
}

/// The time at which an event comes in.
fn comes(rate: u64, event: u64) -> u64 {
    (event * MILLION).div_ceil(rate)
}

/// Simulates the writer of one log for a day.
pub fn day(class: &Class, load: &Load) -> Day {
    let mut numbers = Numbers(load.rate);
    let most = (GROUP_LEN_MAX / load.event_len).max(1);
    let (mut now, mut done, mut groups) = (0, 0, 0);
    let mut lags = vec![0i64; LAG_STEPS + 1];
    loop {
        // Nothing leaves while nothing waits.
        now = now.max(comes(load.rate, done + 1));
        if now >= DAY {
            break;
        }
        let first = done + 1;
        done = came(load.rate, now).min(done + most);
        let sent = (done + 1 - first) * load.event_len * MILLION / BANDWIDTH;
        now += numbers.within(class.latency) + sent + numbers.within(class.latency);
        groups += 1;
        let step =
            |event| usize::try_from((now - comes(load.rate, event)) / 1000).unwrap_or(LAG_STEPS).min(LAG_STEPS - 1);
        // The lags of a group's events are evenly spaced between those of its first and its last event.
        let (from, to) = (step(done), step(first) + 1);
        let share = i64::try_from((done + 1 - first) * 1000 / (to - from) as u64).unwrap_or(i64::MAX);
        lags[from] += share;
        lags[to] -= share;
    }
    let (lag_median, lag_p99) = (lag(&lags, 500), lag(&lags, 990));
    Day { groups, bytes: done * load.event_len, events: done, lag_median, lag_p99 }
}

/// The lag within which so many thousandths of the events were acknowledged, microseconds.
fn lag(lags: &[i64], thousandths: i128) -> u64 {
    let counts = lags.iter().scan(0i64, |count, change| {
        *count += change;
        Some(i128::from(*count))
    });
    let counts: Vec<i128> = counts.collect();
    let all: i128 = counts.iter().sum();
    let mut seen = 0;
    let reached = counts.iter().position(|count| {
        seen += count;
        seen * 1000 >= all * thousandths
    });
    (reached.unwrap_or(LAG_STEPS) as u64 + 1) * 1000
}

/// What a day of all logs costs, in thousandths of a dollar: requests and traffic, and a month of storage for its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Requests that create or replace an object.
    pub creates: u64,
    /// Requests that read one.
    pub reads: u64,
    /// Price of requests and traffic.
    pub requests: u64,
    /// Price of keeping the bytes of the day for a month.
    pub month: u64,
}

/// Prices a day: the writer, one follower that reads each group, and compaction, which reads each group again.
pub fn cost(class: &Class, load: &Load, day: &Day) -> Cost {
    let segments = day.bytes / SEGMENT_LEN;
    let creates = (day.groups + segments * OBJECTS_OF_SEGMENT) * load.logs;
    // The writer reads the boundary after each create.
    let reads = day.groups * 3 * load.logs;
    let bytes = u128::from(day.bytes) * u128::from(load.logs);
    // Millionths of a dollar for a GiB, as thousandths of a dollar for these bytes.
    let of_bytes = |price: u64| u64::try_from(bytes * u128::from(price) / 1000 / (1 << 30)).unwrap_or(u64::MAX);
    let traffic = of_bytes(class.written) * 2 + of_bytes(class.fetched) * 2;
    let requests = (creates * class.create + reads * class.read) / MILLION + traffic;
    Cost { creates, reads, requests, month: of_bytes(class.stored) }
}

/// A count with separators.
fn counted(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Thousandths of a dollar, as dollars.
fn dollars(thousandths: u64) -> String {
    format!("{}.{:02}", counted(thousandths / 1000), thousandths % 1000 / 10)
}

/// Markdown: what a day of this load takes in each store.
pub fn by_store(load: &Load) -> String {
    let mut text = String::from(
        "| store | commits a second and log | bytes of a group | creates | reads | requests, USD a day | a day's bytes, USD a month | \
         acknowledged after: median | 99 % |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for class in CLASSES {
        let day = day(class, load);
        let cost = cost(class, load, &day);
        let tenths = day.groups * 10 / 86_400;
        // Writing to a string cannot fail.
        let _written = writeln!(
            text,
            "| {} | {}.{} | {} | {} | {} | {} | {} | {} ms | {} ms |",
            class.name,
            tenths / 10,
            tenths % 10,
            counted(day.bytes / day.groups),
            counted(cost.creates),
            counted(cost.reads),
            dollars(cost.requests),
            dollars(cost.month),
            counted(day.lag_median / 1000),
            counted(day.lag_p99 / 1000),
        );
    }
    text
}

/// Markdown: what one log costs in S3 Standard at different rates.
pub fn by_rate(event_len: u64, rates: &[u64]) -> String {
    let mut text = String::from(
        "| events a second | events in a group | creates a day | requests, USD a day | USD for 1,000,000 events | requests for 1,000,000 events |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    for rate in rates {
        let load = Load { logs: 1, rate: *rate, event_len };
        let day = day(&CLASSES[0], &load);
        let cost = cost(&CLASSES[0], &load, &day);
        let each =
            |count: u64| u64::try_from(u128::from(count) * 1_000_000 / u128::from(day.events)).unwrap_or(u64::MAX);
        let _written = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            counted(*rate),
            counted(day.events / day.groups),
            counted(cost.creates),
            dollars(cost.requests),
            dollars(each(cost.requests)),
            counted(each(cost.creates + cost.reads)),
        );
    }
    text
}

/// `scale [LOGS] [RATE] [EVENT_LEN]`: both tables.
pub fn scale(arguments: &[String]) -> Result<String, String> {
    let number = |at: usize, default: u64| {
        let text = arguments.get(at).map_or(Ok(default), |text| text.parse());
        text.ok()
            .filter(|number| (1..=MILLION).contains(number))
            .ok_or(format!("expected a number from 1 to {MILLION}"))
    };
    let load = Load { logs: number(0, 1000)?, rate: number(1, 10_000)?, event_len: number(2, 128)? };
    Ok(format!("{}\n{}", by_store(&load), by_rate(load.event_len, &[1, 10, 100, 1_000, 10_000, 100_000])))
}

/// What is shown if no command is given.
pub const USAGE: &str =
    "  scale [LOGS] [RATE] [BYTES]  plan a day of LOGS logs in buckets with RATE events a second of BYTES bytes each\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_on_scale_shows_what_the_simulation_computes() {
        let page = include_str!("../../docs/scale.md");
        let tables = scale(&[]).unwrap();
        for table in tables.split("\n\n") {
            assert!(
                page.contains(table.trim_end()),
                "run `cargo run -p evlog-benches -- scale`, and put its tables into docs/scale.md"
            );
        }
    }

    #[test]
    fn every_event_is_in_one_group_and_a_slower_store_makes_fewer_larger_groups() {
        let load = Load { logs: 1, rate: 1_000, event_len: 128 };
        let days: Vec<Day> = CLASSES.iter().map(|class| day(class, &load)).collect();
        for day in &days {
            assert!(day.events.abs_diff(86_400 * 1_000) < 2_000, "{day:?}");
            assert!(day.lag_median < day.lag_p99, "{day:?}");
        }
        assert!(days[1].groups > days[0].groups && days[0].groups > days[2].groups, "{days:?}");
    }

    #[test]
    fn a_log_with_one_event_a_second_makes_one_group_for_each_and_waits_for_one_create_and_one_read() {
        let day = day(&CLASSES[0], &Load { logs: 1, rate: 1, event_len: 128 });
        assert_eq!(day.groups, day.events);
        assert!(day.lag_p99 <= 137_000, "{day:?}");
    }

    #[test]
    fn a_group_is_never_longer_than_the_format_allows() {
        let day = day(&CLASSES[3], &Load { logs: 1, rate: 1_000_000, event_len: 64 });
        assert!(day.bytes / day.groups <= GROUP_LEN_MAX, "{day:?}");
    }
}
