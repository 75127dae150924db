//! What git prints about files that differ, with NUL between the fields: names may hold anything else.

use std::collections::{BTreeMap, BTreeSet};

use portway_protocol::workspaces::{FileChange, FileStatus};

use crate::git::text;

/// Most files that are reported.
pub(crate) const MAX_FILES: usize = 500;

/// Longest path that is reported, in characters.
const MAX_PATH_CHARS: usize = 1_024;

/// Lines that were added and deleted.
type Lines = (u64, u64);

/// Files that differ: tracked ones first, and others as long as there is room.
#[derive(Debug, Default)]
pub(crate) struct Differences {
    files: BTreeMap<String, FileChange>,
    left_out: usize,
}

impl Differences {
    /// What `git diff --raw --numstat -z` tells.
    pub(crate) fn of_diff(output: &[u8]) -> Self {
        let mut differences = Self::default();
        let (statuses, lines) = parse(output);
        for (path, status) in statuses {
            let (additions, deletions) = lines.get(&path).copied().unwrap_or_default();
            differences.add(FileChange { path, status, additions, deletions });
        }
        differences
    }

    /// Those of the files that `git ls-files --others -z` names for which there is room.
    pub(crate) fn take_untracked<'a>(&mut self, output: &'a [u8]) -> Vec<&'a [u8]> {
        let mut room = MAX_FILES - self.files.len();
        let mut taken = Vec::new();
        // A name without its end was cut off. One that ends with a slash is a repository of its own.
        for name in output.split_inclusive(|byte| *byte == 0).filter_map(|name| name.strip_suffix(b"\0")) {
            let is_known = self.files.contains_key(text(name).as_str());
            if name.is_empty() || name.ends_with(b"/") {
                continue;
            }
            if room > 0 || is_known {
                room = room.saturating_sub(usize::from(!is_known));
                taken.push(name);
            } else {
                self.left_out += 1;
            }
        }
        taken
    }

    /// Files that git does not track, and how many lines they have. One that the session began with is there still.
    pub(crate) fn add_untracked(&mut self, files: Vec<(String, u64)>) {
        for (path, additions) in files {
            match self.files.get_mut(&path) {
                Some(known) => {
                    known.status = FileStatus::Modified;
                    known.additions += additions;
                }
                None => self.add(FileChange { path, status: FileStatus::Added, additions, deletions: 0 }),
            }
        }
    }

    fn add(&mut self, file: FileChange) {
        if self.files.len() >= MAX_FILES || file.path.chars().nth(MAX_PATH_CHARS).is_some() {
            self.left_out += 1;
        } else {
            self.files.insert(file.path.clone(), file);
        }
    }

    /// How many files more there are.
    pub(crate) fn left_out(&self) -> usize {
        self.left_out
    }

    /// The files by path.
    pub(crate) fn into_files(self) -> Vec<FileChange> {
        self.files.into_values().collect()
    }
}

/// The status and the lines of each path.
fn parse(output: &[u8]) -> (BTreeMap<String, FileStatus>, BTreeMap<String, Lines>) {
    let (mut statuses, mut lines) = (BTreeMap::new(), BTreeMap::new());
    let mut fields = output.split(|byte| *byte == 0).filter(|field| !field.is_empty());
    // A file with a conflict is there twice.
    let mut conflicts = BTreeSet::new();
    while let Some(field) = fields.next() {
        if let Some(raw) = field.strip_prefix(b":") {
            let letter = raw.rsplit(|byte| *byte == b' ').next().and_then(<[u8]>::first).copied();
            let is_pair = matches!(letter, Some(b'R' | b'C'));
            let Some(path) = fields.nth(usize::from(is_pair)).map(text) else { break };
            if letter == Some(b'U') {
                conflicts.insert(path.clone());
            }
            let status = if conflicts.contains(&path) { FileStatus::Modified } else { status(letter) };
            statuses.insert(path, status);
        } else if let Some((counts, path)) = numbers(field) {
            let path = if path.is_empty() { fields.nth(1) } else { Some(path) };
            let Some(path) = path.map(text) else { break };
            lines.insert(path, counts);
        }
    }
    (statuses, lines)
}

fn status(letter: Option<u8>) -> FileStatus {
    match letter {
        Some(b'A' | b'C') => FileStatus::Added,
        Some(b'D') => FileStatus::Deleted,
        Some(b'R') => FileStatus::Renamed,
        _ => FileStatus::Modified,
    }
}

/// The lines of a file, 0 for a binary one, and its path; the path is empty where two follow.
fn numbers(field: &[u8]) -> Option<(Lines, &[u8])> {
    let mut parts = field.splitn(3, |byte| *byte == b'\t');
    let mut number = || parts.next().map(|digits| text(digits).parse().unwrap_or(0));
    let lines = (number()?, number()?);
    Some((lines, parts.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(differences: Differences) -> Vec<String> {
        let show =
            |file: FileChange| format!("{:?} {} +{} -{}", file.status, file.path, file.additions, file.deletions);
        differences.into_files().into_iter().map(show).collect()
    }

    #[test]
    fn names_may_hold_anything_but_nul() {
        let output = b":100644 100644 bdc955b 0000000 M\0bin\0:100644 100644 0fdf397 f9d9a01 R085\0x y\0n\n\"w\0\
            :000000 100644 0000000 f9d9a01 A\0:1\t2\0:100644 000000 b680253 0000000 D\0\xff\0\
            -\t-\tbin\x001\t0\t\0x y\0n\n\"w\x007\t0\t:1\t2\x000\t1\t\xff\0";
        assert_eq!(
            shown(Differences::of_diff(output)),
            ["Added :1\t2 +7 -0", "Modified bin +0 -0", "Renamed n\n\"w +1 -0", "Deleted \u{fffd} +0 -1"]
        );
    }

    #[test]
    fn an_output_that_breaks_off_is_read_as_far_as_it_goes() {
        let whole: &[u8] = b":1 1 a b M\0a\0:1 1 a b R1\0b\0c\x001\t0\ta\x002\t0\t\0b\0c\0";
        for length in 0..whole.len() {
            assert!(Differences::of_diff(&whole[..length]).into_files().len() <= 2);
        }
        assert_eq!(shown(Differences::of_diff(whole)), ["Modified a +1 -0", "Renamed c +2 -0"]);
        assert!(shown(Differences::of_diff(b"what is this\0 and that")).is_empty());
    }

    #[test]
    fn conflicts_are_changes() {
        let output = b":000000 100644 0 0 U\0a\0:100644 100644 0 0 M\0a\x003\t1\ta\0";
        assert_eq!(shown(Differences::of_diff(output)), ["Modified a +3 -1"]);
    }

    #[test]
    fn tracked_files_go_first_and_the_rest_is_counted() {
        let tracked: Vec<u8> = (0..MAX_FILES - 1).flat_map(|n| format!(":1 1 a b M\0z{n:03}\0").into_bytes()).collect();
        let mut differences = Differences::of_diff(&tracked);
        let taken = differences.take_untracked(b"a\0nested/\0b\0z000\0c");
        assert_eq!(taken, [&b"a"[..], b"z000"], "one that is known needs no room, and the last one was cut off");
        assert_eq!(differences.left_out(), 1);
        differences.add_untracked(vec![("a".to_owned(), 3), ("z000".to_owned(), 2)]);
        let files = differences.into_files();
        assert_eq!(files.len(), MAX_FILES);
        assert_eq!((files[0].path.as_str(), files[0].status, files[0].additions), ("a", FileStatus::Added, 3));
        assert_eq!((files[1].path.as_str(), files[1].status, files[1].additions), ("z000", FileStatus::Modified, 2));
    }

    #[test]
    fn long_paths_are_left_out() {
        let long = "x".repeat(MAX_PATH_CHARS + 1);
        let mut differences = Differences::of_diff(format!(":1 1 a b M\0{long}\0").as_bytes());
        differences.add_untracked(vec![(long, 1), ("y".repeat(MAX_PATH_CHARS), 1)]);
        assert_eq!(differences.left_out(), 2);
        assert_eq!(differences.into_files().len(), 1);
    }
}
