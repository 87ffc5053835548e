//! Pages for people: the report and the evidence of a run, as HTML for screens and paper.
//!
//! Does: turn a [`Page`] into bytes. Does not: read a log, judge anything, choose words; its caller does.
//!
//! Invariants:
//! - Equal pages give equal bytes, on any machine.
//! - A page needs no network and runs no script: its policy names one style sheet, by hash, and forbids everything else.
//! - No text of a caller acts as markup, or is invisible.
#![forbid(unsafe_code)]

mod html;
mod page;
#[cfg(test)]
mod tests;
mod timeline;

pub use html::{render, with_present_style};
pub use page::{
    Banner, Cell, Chapter, Column, Data, Fact, Figure, Form, Lane, Link, Page, Part, Section, Span, Table, Timeline,
    Tone,
};
