//! The payloads of a contract's events, from one table: which kind carries which struct.
//!
//! Does not: know the structs, or which event may follow which.
//!
//! Invariant: a payload is read completely and in its only encoding, or refused with a sentence.

/// Makes the enum `Payload` of a contract: a line for each kind, with the variant, the struct and the kind's constant.
macro_rules! payloads {
    ($contract:literal: $($variant:ident($carried:ty) = $kind:ident;)*) => {
        /// A payload with its kind.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(super) enum Payload {
            $($variant($carried)),*
        }

        impl Payload {
            /// The kind of the event that carries it.
            pub(super) fn kind(&self) -> evlog_format::Kind<'static> {
                match self {
                    $(Payload::$variant(_) => evlog_format::kind::$kind),*
                }
            }

            /// The bytes of the payload. An error if they exceed the limit of a payload.
            pub(super) fn encode(&self) -> Result<Vec<u8>, evlog_format::payload::PayloadError> {
                match self {
                    $(Payload::$variant(value) => evlog_format::payload::encode(value)),*
                }
            }

            /// Reads the payload of an event of one of the contract's kinds.
            pub(super) fn decode(event: &evlog_format::Event<'_>) -> Result<Payload, String> {
                if event.kind_version != KIND_VERSION {
                    let found = event.kind_version;
                    return Err(format!("expected version {KIND_VERSION} of `{}`, found {found}", event.kind));
                }
                let payload = match event.kind {
                    $(evlog_format::kind::$kind => {
                        evlog_format::payload::decode(event.payload).map(Payload::$variant)
                    })*
                    other => {
                        return Err(format!("expected an event of contract `{}`, found `{other}`", $contract));
                    }
                };
                payload.map_err(|error| format!("`{}`: {error}", event.kind))
            }
        }

        $crate::payloads::payload_json! { $($kind: $carried;)* }
    };
}
pub(crate) use payloads;

/// Makes the function that returns the payloads of a contract's events as JSON: a line for each kind, with its struct.
macro_rules! payload_json {
    ($($kind:ident: $carried:ty;)*) => {
        /// The payload of an event of this contract as JSON. `None` for other events, and for a payload that is protected, that
        /// has a later version, or that does not match the table of its kind.
        pub fn payload_json(event: &evlog_format::Event<'_>) -> Option<serde_json::Value> {
            match event.kind {
                $(evlog_format::kind::$kind => evlog_projection::readable::payload_json::<$carried>(event),)*
                _ => None,
            }
        }
    };
}
pub(crate) use payload_json;
