//! Describes the conditions under which the figures were taken: machine, file system, and how quiet the disk was.
//!
//! Values that the system does not report are left empty.

use crate::series::{median, nanoseconds};
use crate::{Done, during};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A machine, and the file system of one of its directories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Name of the processor.
    pub processor: String,
    /// How many threads can run at once.
    pub threads: u64,
    /// Memory in bytes.
    pub memory: u64,
    /// Operating system and release.
    pub system: String,
    /// Type of the file system.
    pub file_system: String,
    /// The device it is on.
    pub device: String,
    /// Load average of the last minute, as the system writes it.
    pub load: String,
}

impl Machine {
    /// Whether the load is below the number of threads. True if the load is unknown.
    pub fn looks_idle(&self) -> bool {
        let whole = self.load.split('.').next().and_then(|whole| whole.parse::<u64>().ok());
        whole.is_none_or(|load| load < self.threads)
    }

    /// The machine this runs on, and the file system of `dir`.
    pub fn here(dir: &Path) -> Machine {
        let (file_system, device) = mount(dir).unwrap_or_default();
        let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
        let release = read("/proc/sys/kernel/osrelease");
        Machine {
            processor: field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            threads,
            memory: field("/proc/meminfo", "MemTotal").and_then(|text| kib(&text)).unwrap_or(0),
            system: format!("{} {}", std::env::consts::OS, release.trim()).trim_end().to_owned(),
            file_system,
            device,
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
        }
    }
}

/// How long a sync takes: the median of several, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// After a file grew.
    pub growing: u64,
    /// Over bytes that the file already had.
    pub over_zeros: u64,
    /// Nine of ten syncs after a file grew took at most this long.
    pub growing_nine_of_ten: u64,
    /// The share of the last ten seconds in which some process waited for a disk, in thousandths of a percent; `None`
    /// when the system does not report it.
    pub waits: Option<u64>,
}

impl Disk {
    /// Writes and syncs a small file in `dir`.
    pub fn probe(dir: &Path) -> Done<Disk> {
        let (path, waits) = (dir.join("probe"), waits());
        let file = File::create(&path).map_err(during("make a file to probe the disk"))?;
        let growing = syncs(&file)?;
        let over = syncs(&file)?;
        drop(file);
        fs::remove_file(&path)?;
        let mut sorted = growing.clone();
        sorted.sort_unstable();
        let growing_nine_of_ten = sorted.get(sorted.len() * 9 / 10).copied().unwrap_or(0);
        Ok(Disk { growing: median(&growing), over_zeros: median(&over), growing_nine_of_ten, waits })
    }

    /// Whether nothing else seems to write: no process waits for a disk, nine of ten syncs take less than twice the
    /// median, and a longer file costs little more.
    pub fn looks_quiet(&self) -> bool {
        self.waits.is_none_or(|waits| waits < WAITS)
            && self.growing_nine_of_ten < self.growing.saturating_mul(EVEN)
            && self.growing < self.over_zeros.saturating_mul(LONGER)
    }
}

/// Writes of a probe, and their length.
const PROBES: u64 = 100;
const PROBE_LEN: usize = 256;

/// The highest ratio on a quiet disk: of nine of ten syncs to the median, and of syncs after a file grew to syncs after it did
/// not grow.
const EVEN: u64 = 2;
const LONGER: u64 = 5;

/// How much waiting there may be on a quiet disk, in thousandths of a percent.
const WAITS: u64 = 5000;

/// The value that the system had counted before we began.
fn waits() -> Option<u64> {
    let text = fs::read_to_string("/proc/pressure/io").ok()?;
    let (_, rest) = text.split_once("some avg10=")?;
    let (percent, rest) = rest.split_once('.')?;
    let hundredths = rest.split(' ').next()?;
    Some(percent.parse::<u64>().ok()? * 1000 + hundredths.parse::<u64>().ok()? * 10)
}

fn syncs(file: &File) -> Done<Vec<u64>> {
    let bytes = [0xa5; PROBE_LEN];
    let one = |number: u64| {
        let start = Instant::now();
        file.write_all_at(&bytes, number * PROBE_LEN as u64)?;
        file.sync_data()?;
        Ok(nanoseconds(start.elapsed()))
    };
    (0..PROBES).map(one).collect()
}

/// How many free bytes the file system of `dir` has for us.
pub fn room(dir: &Path) -> Done<u64> {
    let found = rustix::fs::statvfs(dir).map_err(std::io::Error::from).map_err(during("ask for the free space"))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Bytes of all files below a directory.
pub fn bytes_below(dir: &Path) -> Done<u64> {
    let mut bytes = 0;
    for path in files_below(dir)? {
        bytes += fs::metadata(path)?.len();
    }
    Ok(bytes)
}

/// Asks the system to drop the contents of all files below a directory from its cache. What is not on disk yet is
/// written first.
pub fn forget_contents(dir: &Path) -> Done<()> {
    for path in files_below(dir)? {
        let file = File::open(path)?;
        file.sync_all()?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).map_err(std::io::Error::from)?;
    }
    Ok(())
}

/// Regular files below a directory.
pub fn files_below(dir: &Path) -> Done<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(during("list a directory of the works"))? {
        let path = entry?.path();
        if path.is_dir() { found.extend(files_below(&path)?) } else { found.push(path) }
    }
    found.sort();
    Ok(found)
}

/// A figure of a process's status, in bytes; `None` if the process has ended, or the system does not report it.
pub(crate) fn process_bytes(id: u32, name: &str) -> Option<u64> {
    kib(&field(&format!("/proc/{id}/status"), name)?)
}

/// The number of times that the threads of a process have gone to sleep so far.
pub(crate) fn process_sleeps(id: u32) -> Option<u64> {
    let threads = fs::read_dir(format!("/proc/{id}/task")).ok()?;
    let sleeps = threads.flatten().filter_map(|thread| {
        let status = thread.path().join("status");
        field(status.to_str()?, "voluntary_ctxt_switches")?.parse::<u64>().ok()
    });
    Some(sleeps.sum())
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The value after `name:` in a file of the kernel.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

fn kib(text: &str) -> Option<u64> {
    text.trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Type and device of the file system that a directory is on.
fn mount(dir: &Path) -> Option<(String, String)> {
    let dir = dir.canonicalize().ok()?;
    let text = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mount = |line: &str| {
        let (place, source) = line.split_once(" - ")?;
        let (point, mut source) = (place.split(' ').nth(4)?, source.split(' '));
        let (kind, device) = (source.next()?.to_owned(), source.next()?.to_owned());
        dir.starts_with(point).then_some((point.len(), (kind, device)))
    };
    text.lines().filter_map(mount).max_by_key(|(len, _)| *len).map(|(_, found)| found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_not_quiet_when_longer_files_cost_much_or_times_differ_or_a_process_waits() {
        let disk = |growing, over_zeros, growing_nine_of_ten, waits| {
            Disk { growing, over_zeros, growing_nine_of_ten, waits }.looks_quiet()
        };
        assert!(disk(30, 25, 50, None) && disk(30, 25, 50, Some(900)));
        assert!(!disk(1000, 25, 1200, None), "a longer file costs much");
        assert!(!disk(30, 25, 90, None), "times differ");
        assert!(!disk(30, 25, 50, Some(9000)), "somebody waits");
    }

    #[test]
    fn room_and_file_system_of_a_directory_are_found() {
        let temp = tempfile::tempdir().unwrap();
        assert!(room(temp.path()).unwrap() > 0);
        assert!(Machine::here(temp.path()).threads > 0);
        fs::write(temp.path().join("a"), [0; 17]).unwrap();
        assert_eq!(bytes_below(temp.path()).unwrap(), 17);
    }
}
