//! Whether the data folder is private, has room and keeps what is written.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::statvfs::statvfs;

use super::report::Report;

const CHECK: &str = "data folder";

/// Free space in bytes below which work stops soon, and below which it is time to act.
const NO_ROOM: u64 = 100 << 20;
const LITTLE_ROOM: u64 = 1 << 30;

/// Every commit waits for the disk that long.
const SLOW: Duration = Duration::from_millis(100);

/// Answers whether there is a folder to look into.
pub(super) fn check(report: &mut Report, data: &Path) -> bool {
    let shown = data.display();
    let metadata = match fs::metadata(data) {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => {
            report.problem(CHECK, format!("{shown} is no folder"), "name a folder with --data");
            return false;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let advice = "start the gateway once (portway serve), or name its folder with --data or PORTWAY_DATA";
            report.problem(CHECK, format!("{shown} does not exist"), advice);
            return false;
        }
        Err(error) => {
            report.problem(CHECK, format!("{shown} cannot be looked at: {error}"), "run this as the gateway's user");
            return false;
        }
    };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        report.fine(CHECK, format!("{shown} is for its owner only (mode {mode:o})"));
    } else {
        let message = format!("{shown} is open to others (mode {mode:o}): it holds keys and everything that was said");
        report.problem(CHECK, message, format!("chmod 700 {shown}"));
    }
    check_room(report, data);
    check_disk(report, data);
    true
}

fn check_room(report: &mut Report, data: &Path) {
    let free = match statvfs(data) {
        Ok(disk) => disk.blocks_available().saturating_mul(disk.fragment_size()),
        Err(error) => {
            report.note(CHECK, format!("free space is not known: {error}"), "look with df");
            return;
        }
    };
    let message = format!("{} MiB are free", free >> 20);
    match free {
        ..NO_ROOM => report.problem(CHECK, message, "make room: without it nothing can be saved"),
        NO_ROOM..LITTLE_ROOM => report.note(CHECK, message, "make room soon"),
        _ => report.fine(CHECK, message),
    }
}

fn check_disk(report: &mut Report, data: &Path) {
    match time_of_write(data) {
        Ok(span) if span > SLOW => report.note(
            CHECK,
            format!("a write took {span:.0?} to be on disk"),
            "use a faster disk: whatever is saved waits that long",
        ),
        Ok(span) => report.fine(CHECK, format!("a write is on disk after {span:.1?}")),
        Err(error) => {
            report.problem(
                CHECK,
                format!("nothing can be written: {error}"),
                "run this as the gateway's user, or mend the disk",
            );
        }
    }
}

/// Writes a page, waits for the disk, and removes the file again.
fn time_of_write(data: &Path) -> io::Result<Duration> {
    let path = data.join(format!(".doctor-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    let began = Instant::now();
    let written = file.write_all(&[0; 4096]).and_then(|()| file.sync_all());
    let span = began.elapsed();
    fs::remove_file(&path)?;
    written.map(|()| span)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Level;

    fn levels(data: &Path) -> Vec<Level> {
        let mut report = Report::default();
        check(&mut report, data);
        report.findings.iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn what_is_no_private_folder_is_a_problem() {
        let scratch = tempfile::tempdir().unwrap();
        let set_mode = |mode| fs::set_permissions(scratch.path(), fs::Permissions::from_mode(mode)).unwrap();
        set_mode(0o755);
        assert_eq!(levels(scratch.path())[0], Level::Problem);
        set_mode(0o700);
        assert_eq!(levels(scratch.path())[0], Level::Fine);
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0, "nothing is left behind");
        assert_eq!(levels(&scratch.path().join("none")), [Level::Problem]);
        let file = scratch.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(levels(&file), [Level::Problem]);
    }
}
