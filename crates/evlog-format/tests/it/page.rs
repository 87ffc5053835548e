//! docs/format.md
