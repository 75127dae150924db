//! Lines of bounded length from a byte stream.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Longest line that an agent may write: a message with a large file inside.
pub(crate) const MAX_LINE: usize = 16 * 1024 * 1024;

/// Bytes that are asked for at a time.
const READ_AHEAD: usize = 16 * 1024;

/// Reads line by line.
pub(crate) struct LineReader<R> {
    source: R,
    buffer: Vec<u8>,
    /// Bytes of `buffer` that hold no line end.
    searched: usize,
    limit: usize,
}

/// Why no further line can be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    #[error("it wrote a line of more than {0} bytes")]
    TooLong(usize),
    #[error("its output cannot be read: {0}")]
    Io(#[from] io::Error),
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    pub(crate) fn new(source: R, limit: usize) -> Self {
        Self { source, buffer: Vec::new(), searched: 0, limit }
    }

    /// The next line without its end, or `None` at the end of the stream. A last line without an end counts.
    ///
    /// A call that is dropped before it is ready loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, LineError> {
        loop {
            if let Some(line) = self.take_line() {
                return if line.len() > self.limit { Err(LineError::TooLong(self.limit)) } else { Ok(Some(line)) };
            }
            if self.buffer.len() > self.limit {
                return Err(LineError::TooLong(self.limit));
            }
            self.buffer.reserve(READ_AHEAD);
            if self.source.read_buf(&mut self.buffer).await? == 0 {
                self.searched = 0;
                let rest = std::mem::take(&mut self.buffer);
                return Ok(Some(rest).filter(|rest| !rest.is_empty()));
            }
        }
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let unsearched = self.buffer.get(self.searched..)?;
        let Some(offset) = unsearched.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.buffer.len();
            return None;
        };
        let end = self.searched + offset;
        let rest = self.buffer.split_off(end + 1);
        let mut line = std::mem::replace(&mut self.buffer, rest);
        self.searched = 0;
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(bytes: &[u8], limit: usize) -> Result<Vec<String>, LineError> {
        let mut reader = LineReader::new(bytes, limit);
        let mut lines = Vec::new();
        while let Some(line) = reader.next().await? {
            lines.push(String::from_utf8_lossy(&line).into_owned());
        }
        Ok(lines)
    }

    #[tokio::test]
    async fn lines_come_without_their_ends() {
        let lines = all(b"one\r\n\ntwo\nlast", 10).await.unwrap();
        assert_eq!(lines, ["one", "", "two", "last"]);
    }

    #[tokio::test]
    async fn a_line_at_the_limit_passes_and_one_above_does_not() {
        assert_eq!(all(b"12345\n", 5).await.unwrap(), ["12345"]);
        assert!(matches!(all(b"123456\n", 5).await, Err(LineError::TooLong(5))));
        assert!(matches!(all(b"1234567890", 5).await, Err(LineError::TooLong(5))));
    }

    #[tokio::test]
    async fn a_line_arriving_byte_by_byte_survives_dropped_reads() {
        let (mut writer, reader) = tokio::io::duplex(1);
        let mut reader = LineReader::new(reader, 100);
        let writing = tokio::spawn(async move {
            use tokio::io::AsyncWriteExt;
            writer.write_all("grüß\ndich\n".as_bytes()).await.unwrap();
        });
        let mut lines = Vec::new();
        while lines.len() < 2 {
            tokio::select! {
                biased;
                line = reader.next() => lines.push(line.unwrap().unwrap()),
                () = tokio::task::yield_now() => {}
            }
        }
        writing.await.unwrap();
        assert_eq!(lines, ["grüß".as_bytes(), b"dich"]);
    }
}
