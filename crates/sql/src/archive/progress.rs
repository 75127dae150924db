//! Who is told how far it is.

/// Is told how far a backup, a restoration or a copy is.
pub trait Progress: Send {
    /// Something begins that takes time, such as a table. `total` is how many rows there are, if that is known.
    fn begin(&mut self, what: &str, total: Option<u64>);

    /// So many further rows are done.
    fn advance(&mut self, rows: u64);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&mut self, _: &str, _: Option<u64>) {}

    fn advance(&mut self, _: u64) {}
}
