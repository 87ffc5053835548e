//! A sample of a log: some of its sealed segments, chosen by a seed, and the last one.
//!
//! Does:
//! - check each chosen segment completely, by itself and against the headers at both of its ends;
//! - check its bytes against the root of a checkpoint, if there is one;
//! - compute the probability that such a sample misses a flaw.
//!
//! If it finds anything, the whole log is read in order, and that pass reports the findings. Does not: judge runs, or the
//! order across segments, unless it has read the whole log. A sample has no whole runs.
//!
//! It samples segments and not frames. Reading some frames would cost as much as reading all: each frame is found from the
//! frame before it, and the hash values for a proof are kept only for segments.

use super::{Check, Progress, Subject, in_order, newer, read, remains, with_subject};
use crate::covered::compare_with;
use crate::error::LogError;
use crate::extent::end;
use crate::prove::trees;
use evlog_format::{Position, Root, SEGMENT_HEADER_LEN, SegmentHeader};
use evlog_projection::{Contracts, FoldError};
use evlog_store::fs::Fs;
use evlog_store::{OpenError, RawSegment};
use evlog_verify::audit::{Alone, Audit, Report};
use evlog_verify::{Covered, Finding, Verdict, proof};
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

const MILLION: u64 = 1_000_000;

/// How the segments of a sample are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// How many of a million sealed segments to take. At least one is taken if there is one.
    pub parts_per_million: u64,
    /// With the same seed, the same segments of a log are taken.
    pub seed: u64,
}

/// The result of a sample.
#[derive(Clone, Debug)]
pub struct Sampled {
    /// The findings in the segments that were taken, and how much these hold. End and next seq come from the last segment,
    /// even if segments before it were not read. So does the root, if the tree before that segment was available.
    pub report: Report,
    /// The length of the log in bytes.
    pub log_bytes: u64,
    /// How many sealed segments it has.
    pub sealed: u64,
    /// The number of segments that were taken.
    pub taken: u64,
    /// How many of these have bytes that lead from the root in their own header to the root in the next header. For the
    /// other segments, no tree was available.
    pub rooted: u64,
    /// The findings in the runs, if the whole log was read.
    pub judged: Option<Judged>,
}

/// The findings in the runs of a log that was read completely.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Runs that were folded.
    pub runs: u64,
    /// Policies that were set.
    pub policies: u64,
    /// As in [`Check::contract_findings`].
    pub contract_findings: Vec<FoldError>,
}

impl Sampled {
    /// Whether nothing was found in what was read.
    pub fn is_good(&self) -> bool {
        let is_judged_good = self.judged.as_ref().is_none_or(|judged| judged.contract_findings.is_empty());
        self.report.findings.count() == 0 && is_judged_good
    }

    /// The probability, in parts per million, that a sample of this size takes none of `wrong` sealed segments.
    pub fn missed(&self, wrong: u64) -> u64 {
        const ONE: u128 = 1_000_000_000_000;
        let (all, others) = (u128::from(self.sealed), u128::from(self.sealed - self.taken));
        let missed = (0..u128::from(wrong)).try_fold(ONE, |left, nth| {
            let remaining = others.checked_sub(nth).filter(|remaining| *remaining > 0)?;
            Some(left * remaining / (all - nth))
        });
        u64::try_from(missed.unwrap_or(0) / (ONE / u128::from(MILLION))).unwrap_or(0)
    }

    /// How many segments have to be wrong for a sample of this size to miss them all with at most this probability, in
    /// parts per million.
    pub fn missed_at_most(&self, parts_per_million: u64) -> u64 {
        (1..=self.sealed).find(|wrong| self.missed(*wrong) <= parts_per_million).unwrap_or(self.sealed)
    }
}

impl Sample {
    /// Chooses segments among `sealed`, and returns their indexes in order.
    fn choose(self, sealed: usize) -> BTreeSet<usize> {
        let wanted = (sealed as u64 * self.parts_per_million).div_ceil(MILLION);
        let wanted = usize::try_from(wanted).unwrap_or(sealed).clamp(sealed.min(1), sealed);
        let draw = |nth: usize| {
            let mut hasher = blake3::Hasher::new();
            hasher.update(&self.seed.to_le_bytes()).update(&(nth as u64).to_le_bytes());
            *hasher.finalize().as_bytes()
        };
        let mut drawn: Vec<([u8; 32], usize)> = (0..sealed).map(|nth| (draw(nth), nth)).collect();
        drawn.sort_unstable();
        drawn.into_iter().take(wanted).map(|(_, nth)| nth).collect()
    }
}

/// Reads a sample of the log in `dir`, and checks it against the root of a checkpoint with a valid signature.
pub fn sample(
    fs: Arc<dyn Fs>,
    dir: &Path,
    contracts: &Contracts,
    sample: Sample,
    covered: Option<&Covered>,
    progress: &mut Progress<'_>,
) -> Result<Sampled, LogError> {
    if let Some(Check { report, .. }) = remains(&fs, dir)? {
        return Ok(Sampled { report, log_bytes: 0, sealed: 0, taken: 0, rooted: 0, judged: None });
    }
    // Pairs the checkpoint with the position where the log's commits end.
    let covered = covered.map(|covered| Ok::<_, LogError>((covered, end(&fs, dir)?))).transpose()?;
    with_subject(fs, dir, contracts, |subject| {
        let sealed = subject.segments.len() - 1;
        let taken = sample.choose(sealed);
        let read: Vec<usize> = taken.iter().copied().chain([sealed]).collect();
        let mut sampling = Sampling {
            subject,
            first_header: header_of(subject, &subject.segments[0])?,
            report: Audit::new(None).finish(),
            rooted: 0,
            done: 0,
            // Segments that are checked against a root are read twice.
            total: read.iter().map(|nth| subject.segments[*nth].len).sum::<u64>() << u32::from(covered.is_some()),
            progress,
        };
        // A sample that takes all segments is a whole verification.
        let is_all = taken.len() == sealed;
        for nth in read.iter().filter(|_| !is_all) {
            sampling.segment(*nth)?;
        }
        if let Some((covered, end)) = covered.filter(|_| !is_all) {
            sampling.lead(&read, covered, end)?;
        }
        let (sealed, taken) = (sealed as u64, taken.len() as u64);
        let (Sampling { mut report, mut rooted, progress, .. }, mut judged) = (sampling, None);
        if is_all || report.findings.count() > 0 || !lie_end_to_end(subject.segments) {
            let (whole, runs) = read_whole(subject, covered, progress)?;
            (report, judged) = (whole, Some(runs));
            rooted = if is_all && report.findings.count() == 0 { taken } else { rooted };
        }
        let log_bytes = subject.segments.iter().map(|segment| segment.len).sum();
        Ok(Sampled { report, log_bytes, sealed, taken, rooted, judged })
    })
}

/// Replaces the report of the sample `found` by a report on the whole log, for a caller that has other findings too.
pub fn judged_whole(
    fs: Arc<dyn Fs>,
    dir: &Path,
    contracts: &Contracts,
    found: &Sampled,
    covered: Option<&Covered>,
    progress: &mut Progress<'_>,
) -> Result<Sampled, LogError> {
    let all = Sample { parts_per_million: MILLION, seed: 0 };
    let whole = sample(fs, dir, contracts, all, covered, progress)?;
    Ok(Sampled { taken: found.taken, rooted: found.rooted, ..whole })
}

/// Whether the files cover the log without a gap, according to their names and lengths.
fn lie_end_to_end(segments: &[RawSegment]) -> bool {
    let mut end = 0;
    segments.iter().all(|segment| {
        let follows = segment.position.0 == end;
        end += segment.len;
        follows
    })
}

/// Reads the whole log in order, so that the same code reports every finding.
fn read_whole(
    subject: &Subject<'_>,
    covered: Option<(&Covered, Position)>,
    progress: &mut Progress<'_>,
) -> Result<(Report, Judged), LogError> {
    let Check { mut report, runs, policies, contract_findings, .. } = in_order(subject, progress)?;
    if let Some((covered, end)) = covered {
        compare_with(subject.raw, end, &mut report, covered, &mut Vec::new, progress)?;
    }
    Ok((report, Judged { runs, policies, contract_findings }))
}

/// A sample that is being read.
struct Sampling<'s, 'p> {
    subject: &'s Subject<'s>,
    first_header: Option<SegmentHeader>,
    report: Report,
    rooted: u64,
    done: u64,
    total: u64,
    progress: &'s mut Progress<'p>,
}

impl Sampling<'_, '_> {
    fn segment(&mut self, nth: usize) -> Result<(), LogError> {
        let segments = self.subject.segments;
        let (segment, next) = (&segments[nth], segments.get(nth + 1));
        let header = header_of(self.subject, segment)?;
        let tree = self.subject.raw.tree_before(segment);
        let has_tree = tree.is_some();
        let alone = Alone {
            position: segment.position,
            first_seq: header.map(|header| header.first_seq),
            previous_len: nth.checked_sub(1).map(|before| segments[before].len),
            tree,
            first_header: self.first_header,
            last: next.is_none(),
        };
        let mut audit = Audit::alone(alone, self.subject.durable.filter(|_| next.is_none()));
        read(self.subject.raw, segment, &mut |chunk| {
            self.done += chunk.len() as u64;
            (self.progress)(self.done, self.total);
            audit.bytes(chunk, &mut |_, _| ())
        })?;
        audit.end_segment().map_err(|error| newer(segment, error))?;
        let mut read = audit.finish();
        if let (Some(next), Verdict::Clean) = (next, read.verdict())
            && let Some(stated) = header_of(self.subject, next)?
        {
            follows(&mut read, &stated, has_tree);
            self.rooted += u64::from(has_tree);
        }
        self.add(&read);
        Ok(())
    }

    fn add(&mut self, read: &Report) {
        let report = &mut self.report;
        report.log_id = report.log_id.or(read.log_id);
        report.segments += read.segments;
        report.size += read.size;
        report.commits += read.commits;
        report.events += read.events;
        report.unknown_kinds += read.unknown_kinds;
        (report.end, report.next_seq, report.root) = (read.end, read.next_seq, read.root);
        report.findings.extend(&read.findings);
    }

    /// Checks the bytes that were read against the signed root. Their hash values come from the bytes; all other hash values
    /// come from trees.
    fn lead(&mut self, read: &[usize], covered: &Covered, end: Position) -> Result<(), LogError> {
        let (Position(bytes), Position(size)) = (end, covered.size);
        let root = if bytes < size { None } else { Some(self.root(read, size)?) };
        covered.judge(&mut self.report, bytes, root, &(0..size));
        Ok(())
    }

    fn root(&mut self, read: &[usize], size: u64) -> Result<Root, LogError> {
        let Subject { raw, segments, .. } = *self.subject;
        let within = |nth: &usize| {
            let start = segments[*nth].position.0;
            start.min(size)..(start + segments[*nth].len).min(size)
        };
        let ranges: Vec<Range<u64>> = read.iter().map(within).filter(|range| !range.is_empty()).collect();
        let mut trees = trees(raw);
        let mut bytes = |range: Range<u64>, visit: &mut dyn FnMut(&[u8])| {
            raw.read_range(&range, &mut |chunk| {
                self.done += chunk.len() as u64;
                self.total = self.total.max(self.done);
                (self.progress)(self.done, self.total);
                visit(chunk);
            })
        };
        Ok(proof::root_through(size, &ranges, &mut bytes, &mut trees).map_err(OpenError::Io)?)
    }
}

/// Compares a segment with the header of the next one, which was not read as part of that segment.
fn follows(read: &mut Report, next: &SegmentHeader, has_tree: bool) {
    let (end, at) = (read.end, next.position);
    let lost = if at > end { Verdict::Truncated } else { Verdict::Tampered };
    let sides = [
        (lost, "F-16", "position in the segment header", end.to_string(), at.to_string()),
        (
            Verdict::Tampered,
            "F-16",
            "first seq in the segment header",
            read.next_seq.to_string(),
            next.first_seq.to_string(),
        ),
        (
            Verdict::Tampered,
            "F-14",
            "root of the bytes before this segment",
            read.root.to_string(),
            next.root_before.to_string(),
        ),
    ];
    for (verdict, rule, message, expected, found) in sides {
        if expected != found && (rule != "F-14" || has_tree) {
            let (message, position) = (message.to_owned(), at);
            read.findings.add(Finding { verdict, position, seq: None, stream: None, rule, expected, found, message });
        }
    }
}

/// A segment's header, if it can be read.
fn header_of(subject: &Subject<'_>, segment: &RawSegment) -> Result<Option<SegmentHeader>, LogError> {
    let mut bytes = Vec::with_capacity(SEGMENT_HEADER_LEN);
    let start = 0..(SEGMENT_HEADER_LEN as u64).min(segment.len);
    subject.raw.read_in(segment, start, &mut |chunk| bytes.extend_from_slice(chunk)).map_err(OpenError::Io)?;
    Ok(SegmentHeader::decode(&bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled(sealed: u64, taken: u64) -> Sampled {
        Sampled { report: Audit::new(None).finish(), log_bytes: 0, sealed, taken, rooted: 0, judged: None }
    }

    #[test]
    fn a_sample_says_with_what_probability_it_misses_what_is_wrong() {
        for (sealed, taken, wrong, expected) in [
            (100, 1, 1, 990_000),
            (100, 100, 1, 0),
            // Counted by hand: of the ten pairs of five segments, three contain neither of two wrong segments; one
            // contains none of three.
            (5, 2, 2, 300_000),
            (5, 2, 3, 100_000),
            (5, 2, 4, 0),
            (0, 0, 1, 0),
        ] {
            assert_eq!(sampled(sealed, taken).missed(wrong), expected, "{wrong} of {sealed}, {taken} taken");
        }
        let many = sampled(16_384, 164);
        let enough = many.missed_at_most(50_000);
        assert!(many.missed(enough) <= 50_000 && many.missed(enough - 1) > 50_000, "{enough}");
    }

    #[test]
    fn a_seed_takes_the_same_segments_and_each_once_and_all_come_up() {
        let take = |seed: u64, parts_per_million: u64, sealed: usize| Sample { parts_per_million, seed }.choose(sealed);
        assert_eq!(take(7, 10_000, 1000), take(7, 10_000, 1000));
        assert_ne!(take(7, 10_000, 1000), take(8, 10_000, 1000));
        for (parts, sealed, expected) in
            [(10_000, 1000, 10), (10_000, 1001, 11), (1, 5, 1), (1_000_000, 5, 5), (1, 0, 0)]
        {
            assert_eq!(take(3, parts, sealed).len(), expected, "{parts} of {sealed}");
        }
        let all: BTreeSet<usize> = (0..200).flat_map(|seed| take(seed, 100_000, 20)).collect();
        assert_eq!(all.len(), 20);
    }
}
