//! Closed sets of words, with the numbers that logs hold.
//!
//! Does: make an enum from a list of variants, numbers and words. Does not: choose numbers. They are written out where the set
//! is defined. They are never changed and never used again.

/// A closed set of words, with the numbers that logs hold.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident: $of:literal { $($(#[$each:meta])* $variant:ident = $number:literal, $word:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
        #[serde(try_from = "u8")]
        #[repr(u8)]
        pub enum $name { $($(#[$each])* $variant = $number),* }

        impl $name {
            /// All values, by number.
            pub const ALL: [$name; [$($number),*].len()] = [$($name::$variant),*];

            /// The word, as the contract spells it.
            pub const fn word(self) -> &'static str {
                match self { $($name::$variant => $word),* }
            }

            /// The member with exactly this word, byte for byte: no aliases, no case folding, no trimming.
            pub fn from_word(word: &str) -> Option<$name> {
                $name::ALL.into_iter().find(|known| known.word() == word)
            }
        }

        impl From<$name> for u8 {
            fn from(value: $name) -> u8 {
                value as u8
            }
        }

        /// The number in the bytes of a log, and the word in JSON.
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.serialize_str(self.word())
                } else {
                    serializer.serialize_u8(u8::from(*self))
                }
            }
        }

        impl TryFrom<u8> for $name {
            type Error = String;

            fn try_from(number: u8) -> Result<$name, String> {
                match number {
                    $($number => Ok($name::$variant),)*
                    _ => Err(format!(concat!("expected a ", $of, " number that has a meaning, found {}"), number)),
                }
            }
        }
    };
}
pub(crate) use words;

/// What may follow a status, as a clause.
pub(crate) fn ways_on(from: &str, next: &[&str]) -> String {
    match next {
        [] => format!("no status may follow `{from}`"),
        _ => format!("`{from}` may become `{}`", next.join("`, `")),
    }
}
