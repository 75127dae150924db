//! Reads files of the workspace, in which the agent changes what it likes at any time.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The first `length` bytes of a file that may be something else by now: nothing waits for a writer, and no link is
/// followed.
///
/// # Errors
/// The file is a link, or cannot be opened or read.
pub(crate) fn read(path: &Path, length: u64) -> io::Result<Vec<u8>> {
    let flags = nix::libc::O_NONBLOCK | nix::libc::O_NOFOLLOW;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let mut content = Vec::new();
    file.take(length).read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::sys::stat::Mode;

    use super::*;

    #[test]
    fn nothing_is_waited_for_and_no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let [text, link, pipe] = ["text", "link", "pipe"].map(|name| folder.path().join(name));
        std::fs::write(&text, "abc").unwrap();
        symlink(&text, &link).unwrap();
        nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        assert_eq!(read(&text, 2).unwrap(), b"ab");
        assert_eq!(read(&text, 9).unwrap(), b"abc");
        assert!(read(&link, 9).is_err());
        assert_eq!(read(&pipe, 9).unwrap(), b"");
    }
}
