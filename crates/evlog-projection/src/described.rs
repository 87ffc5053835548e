//! What a command takes, as data: each contract describes its commands here, beside the code that reads them.
//!
//! The page `docs/submit.md` is made from these descriptions, and a test gives the reader of every contract what they allow
//! and what they do not.
//!
//! Does not: read a command; [`members`](crate::members) does that.

/// The greatest whole number that every reader of JSON takes as it is written: 2^53 - 1.
pub const COUNT_MAX: u64 = (1 << 53) - 1;

/// A word of `do`, and the members that it takes.
#[derive(Clone, Debug)]
pub struct CommandForm {
    /// The word of `do`.
    pub word: &'static str,
    /// What the command requests, as a sentence.
    pub meaning: &'static str,
    /// The members besides those that every command has.
    pub members: Vec<MemberForm>,
}

/// A member of a command, or of an object in it.
#[derive(Clone, Debug)]
pub struct MemberForm {
    /// Its name.
    pub name: &'static str,
    /// Whether it must be there.
    pub need: Need,
    /// The values that it takes.
    pub value: ValueForm,
    /// Its meaning, as a sentence without a period.
    pub meaning: &'static str,
}

/// Whether a member must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It must be there.
    Required,
    /// It can be left out.
    Optional,
    /// It depends on another member, as this clause says.
    Depends(&'static str),
    /// It is another name of this member. Only one of the two can be given.
    OtherNameOf(&'static str),
}

/// The values that a member takes.
#[derive(Clone, Debug)]
pub enum ValueForm {
    /// Text with at least and at most this many characters.
    Text(usize, usize),
    /// Text of any length.
    AnyText,
    /// Text of at least one and at most this many bytes, without control characters.
    Bytes(u64),
    /// A run's id.
    RunId,
    /// A time, RFC 3339.
    Time,
    /// One of these words.
    Word(Vec<&'static str>),
    /// True or false.
    Flag,
    /// A whole number from the first to the second.
    Whole(i128, i128),
    /// BLAKE3 or SHA-256: 64 hexadecimal digits.
    Digest,
    /// An object with these members and no others.
    Object(Vec<MemberForm>),
    /// An object whose members are named by the caller, each with this value, and the most members that it may have.
    Named(Box<ValueForm>, Option<usize>),
    /// An array of these values, and the most items that it may have.
    List(Box<ValueForm>, Option<usize>),
    /// What these words say. The second text is an example in JSON.
    Other(String, &'static str),
}

/// A member that must be there.
pub fn required(name: &'static str, value: ValueForm, meaning: &'static str) -> MemberForm {
    MemberForm { name, need: Need::Required, value, meaning }
}

/// A member that can be left out.
pub fn optional(name: &'static str, value: ValueForm, meaning: &'static str) -> MemberForm {
    MemberForm { name, need: Need::Optional, value, meaning }
}

impl ValueForm {
    /// A value of a form that only words describe, and an example in JSON.
    pub fn other(words: impl Into<String>, example: &'static str) -> ValueForm {
        ValueForm::Other(words.into(), example)
    }

    /// A whole number from 0 on.
    pub fn count() -> ValueForm {
        ValueForm::Whole(0, COUNT_MAX.into())
    }

    /// The form, as the documentation describes it. The members of an object are not listed.
    pub fn in_words(&self) -> String {
        match self {
            ValueForm::Text(0, max) => format!("text of at most {max} characters"),
            ValueForm::Text(min, max) => format!("text of {min} to {max} characters"),
            ValueForm::AnyText => "text".to_owned(),
            ValueForm::Bytes(max) => format!("text of 1 to {max} bytes without control characters"),
            ValueForm::RunId => "a run id".to_owned(),
            ValueForm::Time => "a time, RFC 3339".to_owned(),
            ValueForm::Word(words) if words.len() == 1 => format!("`{}`", words[0]),
            ValueForm::Word(words) => format!("one of `{}`", words.join("`, `")),
            ValueForm::Flag => "true or false".to_owned(),
            ValueForm::Whole(min, max) => format!("a whole number from {min} to {max}"),
            ValueForm::Digest => "64 lowercase hexadecimal digits".to_owned(),
            ValueForm::Object(_) => "an object".to_owned(),
            ValueForm::Named(value, max) => {
                format!("an object{}; each member is {}", at_most(*max, "members"), value.in_words())
            }
            ValueForm::List(value, max) => {
                format!("an array{}; each item is {}", at_most(*max, "items"), value.in_words())
            }
            ValueForm::Other(words, _) => words.clone(),
        }
    }
}

fn at_most(max: Option<usize>, what: &str) -> String {
    max.map(|max| format!(" of at most {max} {what}")).unwrap_or_default()
}

/// The words of `do`, as an error lists them.
pub fn words_of(commands: &[CommandForm]) -> String {
    let words: Vec<String> = commands.iter().map(|command| format!("`{}`", command.word)).collect();
    match words.as_slice() {
        [one] => one.clone(),
        words => format!("one of {}", words.join(", ")),
    }
}
