//! The footer of a Parquet file: which columns it has, as the Parquet format lays it down.
//!
//! Does: read the end of the file, and the schema in its footer.
//! Does not: read data, or the rest of the footer, which says where row groups are and what is in them.
//!
//! Invariants:
//! - No length, count or depth that the file states is believed. Memory and depth are bounded by the bytes that are there and
//!   by our own limits. For a footer that cannot be read there is a message, never a panic.
//! - The bytes are decoded by a crate that is made for untrusted footers. The tree of columns is made here (docs/adr/0011).

use crate::limits::{COLUMN_DEPTH_MAX, COLUMN_NAME_LEN_MAX, COLUMNS_LEN_MAX, COLUMNS_MAX};
use polars_parquet_format::thrift::protocol::{TCompactInputProtocol, TInputProtocol, TType};
use polars_parquet_format::{ConvertedType, FieldRepetitionType, LogicalType, SchemaElement, TimeUnit, Type};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::vec;

const MAGIC: [u8; 4] = *b"PAR1";
const MAGIC_OF_ENCRYPTED: [u8; 4] = *b"PARE";
/// The shortest file, in bytes: the magic at the beginning, the length of the footer, and the magic at the end.
const LEN_MIN: u64 = 12;

/// What a file's end says.
pub(super) enum Footer {
    /// Its columns, in order.
    Read(Vec<Leaf>),
    /// The file cannot be read; this sentence says why.
    Unreadable(String),
}

/// A column as a part has it: a leaf of its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    /// The names from the outside in, with dots between.
    pub(super) name: String,
    pub(super) physical_type: &'static str,
    pub(super) logical_type: Option<String>,
    pub(super) shape: Shape,
}

/// Properties of a column that neither its name nor its type shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// The length of its values, if the type has a fixed length.
    length: Option<i32>,
    /// How many are optional of the column itself and the groups around it.
    optional: usize,
    /// The number of repeated elements.
    repeated: usize,
}

impl Leaf {
    /// Whether a value can be absent, because the column or a group around it is optional.
    pub(super) fn is_nullable(&self) -> bool {
        self.shape.optional > 0
    }
}

/// Reads a file's footer. An error means that the file itself could not be read.
pub(super) fn read(file: &mut (impl Read + Seek)) -> io::Result<Footer> {
    let len = file.seek(SeekFrom::End(0))?;
    if len < LEN_MIN {
        return Ok(unreadable(format!("expected at least {LEN_MIN} bytes, found {len}")));
    }
    let mut magic = [0; 4];
    file.rewind()?;
    file.read_exact(&mut magic)?;
    let mut tail = [0; 8];
    file.seek(SeekFrom::End(-8))?;
    file.read_exact(&mut tail)?;
    let [a, b, c, d, end @ ..] = tail;
    if magic == MAGIC_OF_ENCRYPTED || end == MAGIC_OF_ENCRYPTED {
        return Ok(unreadable("expected a footer that anyone can read, found an encrypted one"));
    }
    if magic != MAGIC || end != MAGIC {
        return Ok(unreadable("expected `PAR1` at the beginning and at the end, found other bytes"));
    }
    let footer_len = u64::from(u32::from_le_bytes([a, b, c, d]));
    if footer_len > len - LEN_MIN {
        return Ok(unreadable(format!("expected a footer within {len} bytes, found one of {footer_len}")));
    }
    file.seek(SeekFrom::Start(len - 8 - footer_len))?;
    let leaves = elements(BufReader::new(file.take(footer_len))).and_then(leaves);
    Ok(leaves.map_or_else(|why| unreadable(format!("the footer cannot be read: {why}")), Footer::Read))
}

fn unreadable(why: impl Into<String>) -> Footer {
    Footer::Unreadable(why.into())
}

/// What is wrong with a footer.
type Broken = &'static str;

/// Leaves out the decoder's own message: evlog's messages do not depend on the decoder.
fn decoded<T>(result: polars_parquet_format::thrift::Result<T>) -> Result<T, Broken> {
    result.map_err(|_| "its bytes are not those of the Parquet format, or of a newer one")
}

/// Reads the schema's elements in `FileMetaData`, which has them before everything that is long. The rest is not read.
fn elements(footer: impl Read) -> Result<Vec<SchemaElement>, Broken> {
    let mut input = TCompactInputProtocol::new(footer, COLUMNS_LEN_MAX);
    decoded(input.read_struct_begin())?;
    loop {
        let field = decoded(input.read_field_begin())?;
        match (field.id, field.field_type) {
            (_, TType::Stop) => return Err("it has no schema"),
            (Some(2), TType::List) => return schema(&mut input),
            (_, kind) => decoded(input.skip(kind))?,
        }
    }
}

/// Elements take memory only as they are read, whatever number of elements the list states.
fn schema(input: &mut impl TInputProtocol) -> Result<Vec<SchemaElement>, Broken> {
    let list = decoded(input.read_list_begin())?;
    if list.element_type != TType::Struct {
        return Err("its schema is no list of columns");
    }
    if list.size > COLUMNS_MAX {
        return Err("its schema has too many columns");
    }
    (0..list.size).map(|_| decoded(SchemaElement::read_from_in_protocol(input))).collect()
}

/// The leaves of the tree that the elements form, depth first.
fn leaves(elements: Vec<SchemaElement>) -> Result<Vec<Leaf>, Broken> {
    let mut elements = elements.into_iter();
    let root = elements.next().ok_or("its schema is empty")?;
    let mut tree = Tree { elements, path: Vec::new(), leaves: Vec::new() };
    tree.children(root.num_children.unwrap_or(0), Shape::default())?;
    match tree.elements.next() {
        None => Ok(tree.leaves),
        Some(_) => Err("its schema has more than one root"),
    }
}

/// The elements that have no place yet, and the leaves so far.
struct Tree {
    elements: vec::IntoIter<SchemaElement>,
    path: Vec<String>,
    leaves: Vec<Leaf>,
}

impl Tree {
    fn children(&mut self, count: i32, around: Shape) -> Result<(), Broken> {
        if self.path.len() > COLUMN_DEPTH_MAX {
            return Err("its columns stand too deep within each other");
        }
        for _ in 0..count {
            let mut element = self.elements.next().ok_or("a group has fewer columns than it says")?;
            let Shape { optional, repeated, .. } = around;
            let shape = match element.repetition_type {
                Some(FieldRepetitionType::REQUIRED) => around,
                Some(FieldRepetitionType::OPTIONAL) => Shape { optional: optional + 1, ..around },
                Some(FieldRepetitionType::REPEATED) => Shape { repeated: repeated + 1, ..around },
                _ => return Err("a column is neither required nor optional nor repeated"),
            };
            self.path.push(std::mem::take(&mut element.name));
            match (element.type_, element.num_children) {
                (Some(physical), None | Some(0)) => self.leaf(physical, &element, shape)?,
                (None, children) => self.children(children.unwrap_or(0), shape)?,
                (Some(_), _) => return Err("a column that has a type has columns within"),
            }
            self.path.pop();
        }
        Ok(())
    }

    fn leaf(&mut self, physical: Type, element: &SchemaElement, shape: Shape) -> Result<(), Broken> {
        if self.path.iter().map(|name| name.len() + 1).sum::<usize>() > COLUMN_NAME_LEN_MAX {
            return Err("the name of a column is too long");
        }
        let physical_type = physical_word(physical).ok_or("a column has a type that is not known")?;
        let length = element.type_length.filter(|_| physical == Type::FIXED_LEN_BYTE_ARRAY);
        self.leaves.push(Leaf {
            name: self.path.join("."),
            physical_type,
            logical_type: element.logical_type.as_ref().map(logical_words).or_else(|| converted_words(element)),
            shape: Shape { length, ..shape },
        });
        Ok(())
    }
}

fn physical_word(physical: Type) -> Option<&'static str> {
    Some(match physical {
        Type::BOOLEAN => "BOOLEAN",
        Type::INT32 => "INT32",
        Type::INT64 => "INT64",
        Type::INT96 => "INT96",
        Type::FLOAT => "FLOAT",
        Type::DOUBLE => "DOUBLE",
        Type::BYTE_ARRAY => "BYTE_ARRAY",
        Type::FIXED_LEN_BYTE_ARRAY => "FIXED_LEN_BYTE_ARRAY",
        _ => return None,
    })
}

/// A logical type with its parameters, spelled as in the text form of Parquet's schemas.
fn logical_words(logical: &LogicalType) -> String {
    let word = match logical {
        LogicalType::STRING(_) => "STRING",
        LogicalType::MAP(_) => "MAP",
        LogicalType::LIST(_) => "LIST",
        LogicalType::ENUM(_) => "ENUM",
        LogicalType::DECIMAL(of) => return decimal(of.precision, of.scale),
        LogicalType::DATE(_) => "DATE",
        LogicalType::TIME(of) => return format!("TIME({},{})", unit(&of.unit), of.is_adjusted_to_u_t_c),
        LogicalType::TIMESTAMP(of) => return format!("TIMESTAMP({},{})", unit(&of.unit), of.is_adjusted_to_u_t_c),
        LogicalType::INTEGER(of) => return format!("INTEGER({},{})", of.bit_width, of.is_signed),
        LogicalType::UNKNOWN(_) => "UNKNOWN",
        LogicalType::JSON(_) => "JSON",
        LogicalType::BSON(_) => "BSON",
        LogicalType::UUID(_) => "UUID",
        LogicalType::FLOAT16(_) => "FLOAT16",
    };
    word.to_owned()
}

fn decimal(precision: i32, scale: i32) -> String {
    format!("DECIMAL({precision},{scale})")
}

fn unit(unit: &TimeUnit) -> &'static str {
    match unit {
        TimeUnit::MILLIS(_) => "MILLIS",
        TimeUnit::MICROS(_) => "MICROS",
        TimeUnit::NANOS(_) => "NANOS",
    }
}

/// The logical type for the converted type of an older writer, as the Parquet format defines it.
fn converted_words(element: &SchemaElement) -> Option<String> {
    let word = match element.converted_type? {
        ConvertedType::UTF8 => "STRING",
        ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE => "MAP",
        ConvertedType::LIST => "LIST",
        ConvertedType::ENUM => "ENUM",
        ConvertedType::DECIMAL => {
            return Some(decimal(element.precision.unwrap_or(0), element.scale.unwrap_or(0)));
        }
        ConvertedType::DATE => "DATE",
        ConvertedType::TIME_MILLIS => "TIME(MILLIS,true)",
        ConvertedType::TIME_MICROS => "TIME(MICROS,true)",
        ConvertedType::TIMESTAMP_MILLIS => "TIMESTAMP(MILLIS,true)",
        ConvertedType::TIMESTAMP_MICROS => "TIMESTAMP(MICROS,true)",
        ConvertedType::UINT_8 => "INTEGER(8,false)",
        ConvertedType::UINT_16 => "INTEGER(16,false)",
        ConvertedType::UINT_32 => "INTEGER(32,false)",
        ConvertedType::UINT_64 => "INTEGER(64,false)",
        ConvertedType::INT_8 => "INTEGER(8,true)",
        ConvertedType::INT_16 => "INTEGER(16,true)",
        ConvertedType::INT_32 => "INTEGER(32,true)",
        ConvertedType::INT_64 => "INTEGER(64,true)",
        ConvertedType::JSON => "JSON",
        ConvertedType::BSON => "BSON",
        ConvertedType::INTERVAL => "INTERVAL",
        _ => return None,
    };
    Some(word.to_owned())
}

#[cfg(test)]
mod tests;
