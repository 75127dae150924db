//! Server-sent events, as far as messages are in them.

/// Longest event, in bytes.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Takes the body of a response piece by piece, and gives the data of its events.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    data: Vec<u8>,
}

/// An event is longer than anything that a gateway sends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Events {
    /// The data of the events that end in this piece.
    ///
    /// # Errors
    /// [`TooLong`].
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<Vec<Vec<u8>>, TooLong> {
        let mut ended = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if self.line.len() + self.data.len() > MAX_BYTES {
                return Err(TooLong);
            }
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.end_line(line.trim_ascii_end(), &mut ended);
            }
        }
        Ok(ended)
    }

    fn end_line(&mut self, line: &[u8], ended: &mut Vec<Vec<u8>>) {
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            ended.extend((!data.is_empty()).then_some(data));
        } else if let Some(data) = line.strip_prefix(b"data:") {
            if !self.data.is_empty() {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_may_end_anywhere() {
        let text = b": a comment\n\nevent: message\ndata: {\"a\":1}\n\ndata:x\r\ndata: y\r\n\r\ndata: not ended\n";
        for size in 1..text.len() {
            let mut events = Events::default();
            let data: Vec<_> = text.chunks(size).flat_map(|piece| events.push(piece).unwrap()).collect();
            assert_eq!(data, [b"{\"a\":1}".to_vec(), b"x\ny".to_vec()], "{size}");
        }
    }
}
