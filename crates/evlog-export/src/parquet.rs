//! Apache Parquet: the members of events as typed columns, the payload as JSON text, and members of payloads as separate
//! columns.
//!
//! The recorded time has nanoseconds. The time of occurrence has microseconds, because 64 bits of nanoseconds end in the year
//! 2262; `occurred_text` has all its digits. Columns are not compressed, because the crate is built without compressors.
//!
//! Invariant: at most one row group is held in memory: [`GROUP_ROWS`] events, or fewer if payloads are long.

use crate::event::EventLine;
use crate::flat::{self, Flat};
use crate::json;
use crate::sink::Sink;
use ::parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use ::parquet::schema::types::Type as Schema;
use serde_json::Value;
use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::Arc;

/// The most events of a row group.
const GROUP_ROWS: usize = 1 << 16;

/// About how many bytes of text a row group holds.
const GROUP_LEN: usize = 64 << 20;

/// The prefix of the name of a payload member's column.
const PREFIX: &str = "payload_";

/// The values of one column, for the rows that have a value.
enum Values {
    Long(Vec<i64>),
    Short(Vec<i32>),
    Real(Vec<f64>),
    Flag(Vec<bool>),
    Text(Texts),
}

/// Texts, stored one after the other without separate allocations, and where each ends.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.push(self.bytes.len());
    }

    /// Takes all values out.
    fn take(&mut self) -> Vec<ByteArray> {
        let (all, mut start) = (ByteArray::from(std::mem::take(&mut self.bytes)), 0);
        let text = |end| all.slice(start, end - std::mem::replace(&mut start, end));
        self.ends.drain(..).map(text).collect()
    }
}

/// A column of a row group.
struct Column {
    name: String,
    logical: Option<LogicalType>,
    values: Values,
    /// For each row whether it has a value, 1 or 0; `None` if all must have one.
    levels: Option<Vec<i16>>,
}

impl Column {
    fn new(name: &str, values: Values) -> Column {
        let logical = matches!(values, Values::Text(_)).then_some(LogicalType::String);
        Column { name: name.to_owned(), logical, values, levels: Some(Vec::new()) }
    }

    /// This column, with a value required in every row.
    fn required(self) -> Column {
        Column { levels: None, ..self }
    }

    fn time(self, unit: TimeUnit) -> Column {
        Column { logical: Some(LogicalType::timestamp(true, unit)), ..self }
    }

    fn schema(&self) -> Result<Schema, ParquetError> {
        let physical = match self.values {
            Values::Long(_) => Physical::INT64,
            Values::Short(_) => Physical::INT32,
            Values::Real(_) => Physical::DOUBLE,
            Values::Flag(_) => Physical::BOOLEAN,
            Values::Text(_) => Physical::BYTE_ARRAY,
        };
        let repetition = if self.levels.is_none() { Repetition::REQUIRED } else { Repetition::OPTIONAL };
        let builder = Schema::primitive_type_builder(&self.name, physical).with_repetition(repetition);
        builder.with_logical_type(self.logical.clone()).build()
    }

    fn put(&mut self, cell: Option<Cell<'_>>) {
        if let Some(levels) = &mut self.levels {
            levels.push(cell.is_some().into());
        }
        match (&mut self.values, cell) {
            (_, None) => {}
            (Values::Long(values), Some(Cell::Long(value))) => values.push(value),
            (Values::Short(values), Some(Cell::Short(value))) => values.push(value),
            (Values::Real(values), Some(Cell::Real(value))) => values.push(value),
            (Values::Flag(values), Some(Cell::Flag(value))) => values.push(value),
            (Values::Text(values), Some(Cell::Text(value))) => values.push(&value),
            _ => unreachable!("a column is filled with values of its type"),
        }
    }

    /// Writes the values, and removes them.
    fn write(&mut self, writer: &mut SerializedColumnWriter<'_>) -> Result<usize, ParquetError> {
        let levels = self.levels.as_deref();
        let written = match &mut self.values {
            Values::Long(values) => writer.typed::<Int64Type>().write_batch(values, levels, None),
            Values::Short(values) => writer.typed::<Int32Type>().write_batch(values, levels, None),
            Values::Real(values) => writer.typed::<DoubleType>().write_batch(values, levels, None),
            Values::Flag(values) => writer.typed::<BoolType>().write_batch(values, levels, None),
            Values::Text(values) => writer.typed::<ByteArrayType>().write_batch(&values.take(), levels, None),
        };
        match &mut self.values {
            Values::Long(values) => values.clear(),
            Values::Short(values) => values.clear(),
            Values::Real(values) => values.clear(),
            Values::Flag(values) => values.clear(),
            Values::Text(_) => {}
        }
        if let Some(levels) = &mut self.levels {
            levels.clear();
        }
        written
    }
}

/// A value of a row.
enum Cell<'c> {
    Long(i64),
    Short(i32),
    Real(f64),
    Flag(bool),
    Text(Cow<'c, str>),
}

/// Writes Parquet.
pub(crate) struct Parquet<W: Write + Send> {
    file: SerializedFileWriter<W>,
    columns: Vec<Column>,
    flat: Flat,
    rows: usize,
    text_len: usize,
}

impl<W: Write + Send> Parquet<W> {
    pub(crate) fn new(log_id: &str, flat: &Flat, out: W) -> io::Result<Parquet<W>> {
        let mut columns = envelope();
        columns.extend(flat.columns().map(|(name, of)| Column::new(&format!("{PREFIX}{name}"), values(of))));
        let fields: Result<Vec<_>, _> = columns.iter().map(|column| column.schema().map(Arc::new)).collect();
        let schema = Schema::group_type_builder("events").with_fields(fields?).build()?;
        let log = KeyValue::new("evlog.log_id".to_owned(), log_id.to_owned());
        let properties = WriterProperties::builder().set_created_by("evlog".to_owned());
        let properties = properties.set_key_value_metadata(Some(vec![log])).build();
        let file = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))?;
        Ok(Parquet { file, columns, flat: flat.clone(), rows: 0, text_len: 0 })
    }

    fn end_group(&mut self) -> Result<(), ParquetError> {
        if self.rows > 0 {
            let mut group = self.file.next_row_group()?;
            for column in &mut self.columns {
                let Some(mut writer) = group.next_column()? else { unreachable!("the schema has every column") };
                column.write(&mut writer)?;
                writer.close()?;
            }
            group.close()?;
            (self.rows, self.text_len) = (0, 0);
        }
        Ok(())
    }
}

impl<W: Write + Send> Sink<W> for Parquet<W> {
    fn event(&mut self, event: &EventLine<'_>) -> io::Result<()> {
        let payload = event.payload.text();
        self.rows += 1;
        self.text_len += payload.len();
        let members = if self.flat.knows(&event.kind) { event.payload.value() } else { Value::Null };
        let flat = self.flat.columns().map(|(name, of)| cell(of, members.get(name)));
        let cells = row(event, &payload).into_iter().chain(flat);
        self.columns.iter_mut().zip(cells).for_each(|(column, cell)| column.put(cell));
        if self.rows == GROUP_ROWS || self.text_len >= GROUP_LEN {
            self.end_group()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<W> {
        self.end_group()?;
        Ok(self.file.into_inner()?)
    }
}

/// The columns of every event, in the order of [`row`].
fn envelope() -> Vec<Column> {
    let long = |name| Column::new(name, Values::Long(Vec::new()));
    let short = |name| Column::new(name, Values::Short(Vec::new()));
    let text = |name| Column::new(name, Values::Text(Texts::default()));
    vec![
        long("seq").required(),
        long("commit").required(),
        long("recorded").required().time(TimeUnit::NANOS),
        long("occurred").time(TimeUnit::MICROS),
        text("occurred_text"),
        text("mark"),
        text("stream").required(),
        long("number").required(),
        text("kind").required(),
        short("kind_version").required(),
        text("actor"),
        text("principal"),
        text("correlation"),
        long("causation"),
        text("id"),
        short("protection").required(),
        text("payload").required(),
    ]
}

/// The cells of an event, in the order of [`envelope`].
fn row<'c>(event: &'c EventLine<'_>, payload: &'c str) -> [Option<Cell<'c>>; 17] {
    let (head, times) = (&event.head, event.times);
    // Integers of the format have 63 bits.
    let long = |number: u64| Some(Cell::Long(i64::try_from(number).unwrap_or(i64::MAX)));
    let text = |text: Option<&'c str>| text.map(|text| Cell::Text(text.into()));
    let microseconds = |time_ns: i128| i64::try_from(time_ns.div_euclid(1000)).ok().map(Cell::Long);
    [
        long(event.seq),
        long(event.commit),
        Some(Cell::Long(times.recorded_ns)),
        times.occurred_ns.and_then(microseconds),
        text(head.times.occurred.as_deref()),
        text(head.times.mark),
        text(Some(event.stream)),
        long(event.number),
        text(Some(&event.kind)),
        Some(Cell::Short(event.kind_version.into())),
        text(head.actor),
        text(head.principal),
        text(head.correlation),
        event.causation.and_then(long),
        text(head.id),
        Some(Cell::Short(event.protection.into())),
        text(Some(payload)),
    ]
}

fn values(of: flat::Type) -> Values {
    match of {
        flat::Type::Integer | flat::Type::Long => Values::Long(Vec::new()),
        flat::Type::Real => Values::Real(Vec::new()),
        flat::Type::Flag => Values::Flag(Vec::new()),
        flat::Type::Text | flat::Type::Json => Values::Text(Texts::default()),
    }
}

/// A member of a payload as a cell of a column of this type. The cell is empty if the member is absent, null, or of another
/// kind.
fn cell(of: flat::Type, member: Option<&Value>) -> Option<Cell<'_>> {
    let member = member.filter(|member| !member.is_null())?;
    match of {
        flat::Type::Integer | flat::Type::Long => member.as_i64().map(Cell::Long),
        flat::Type::Real => member.as_f64().map(Cell::Real),
        flat::Type::Flag => member.as_bool().map(Cell::Flag),
        flat::Type::Text => member.as_str().map(|text| Cell::Text(text.into())),
        flat::Type::Json => Some(Cell::Text(json::text(member).into())),
    }
}
