//! Reads the bytes of a saved audit from their beginning. Numbers are little-endian.

/// The bytes that are left.
pub(super) struct Left<'b>(&'b [u8]);

impl<'b> Left<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Left<'b> {
        Left(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn bytes(&mut self, len: u64) -> Option<&'b [u8]> {
        let (head, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(head)
    }
}
