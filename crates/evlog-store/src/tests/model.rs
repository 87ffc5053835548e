//! Compares the store with the simplest model there is: a list.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    /// A commit: the stream and the payload length of each event.
    Commit(Durability, Vec<(u8, u16)>),
    /// Close in order, and open.
    Reopen,
    /// Kill the process, and open.
    Kill,
    /// Delete every sidecar, and open.
    Strip,
}

fn step() -> impl Strategy<Value = Step> {
    let class = prop_oneof![Just(Durability::Sync), Just(Durability::Os)];
    let commit = (class, prop::collection::vec((0..6u8, 0..400u16), 1..6));
    prop_oneof![
        12 => commit.prop_map(|(class, events)| Step::Commit(class, events)),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
        1 => Just(Step::Strip),
    ]
}

#[derive(Debug, Default)]
struct Model {
    events: Vec<Seen>,
}

impl Model {
    fn len(&self, stream: &str) -> u64 {
        self.events.iter().filter(|event| event.stream == stream).count() as u64
    }

    fn append(&mut self, stream: &str, payload: &[u8]) {
        let (seq, number) = (self.events.len() as u64, self.len(stream));
        self.events.push(Seen { seq, stream: stream.to_string(), number, payload: payload.to_vec() });
    }
}

fn apply(step: &Step, fs: SimFs, writer: Writer, model: &mut Model) -> (SimFs, Writer) {
    match step {
        Step::Commit(class, parts) => {
            let named: Vec<_> = parts.iter().map(|(s, len)| (format!("s{s}"), vec![*s; usize::from(*len)])).collect();
            let events: Vec<_> = named.iter().map(|(stream, payload)| event(stream, payload)).collect();
            let ticket = writer.append(&commit(*class, &events)).unwrap();
            for (stream, payload) in &named {
                model.append(stream, payload);
            }
            writer.wait(&ticket).unwrap();
            return (fs, writer);
        }
        Step::Reopen => writer.close().unwrap(),
        Step::Kill => {
            let killed = fs.kill();
            drop(writer);
            let (writer, recovery) = open(&killed);
            assert_eq!(recovery.cut, None);
            return (killed, writer);
        }
        Step::Strip => {
            drop(writer);
            let derived = |path: &&PathBuf| path.extension().is_none_or(|suffix| suffix != "seg");
            fs.files().iter().filter(derived).for_each(|path| crate::Fs::remove(&fs, path).unwrap());
        }
    }
    let (writer, recovery) = open(&fs);
    assert_eq!(recovery.cut, None);
    (fs, writer)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_log_is_a_list(steps in prop::collection::vec(step(), 1..40)) {
        let mut fs = SimFs::new();
        let (mut writer, mut model) = (create(&fs, LIMIT), Model::default());
        for step in &steps {
            (fs, writer) = apply(step, fs, writer, &mut model);
            for number in 0..6 {
                let name = format!("s{number}");
                prop_assert_eq!(writer.stream_len(&name).unwrap(), model.len(&name));
            }
        }
        let report = audit(&fs);
        prop_assert_eq!(report.findings.kept(), &[]);
        prop_assert_eq!(report.events, model.events.len() as u64);
        let reader = reader(&fs);
        prop_assert_eq!(&all(&reader), &model.events);
        for number in 0..6 {
            let name = format!("s{number}");
            let expected: Vec<Seen> = model.events.iter().filter(|event| event.stream == name).cloned().collect();
            prop_assert_eq!(stream(&reader, &name), expected);
        }
        writer.close().unwrap();
        // The comparison comes only now, because the close cuts zeros that were written ahead.
        prop_assert_eq!((report.end, report.root), cat_root(&fs));
        prop_assert_eq!(cat_root(&fs), open(&fs).0.root());
    }
}
