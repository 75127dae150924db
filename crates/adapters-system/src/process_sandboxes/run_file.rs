//! What is written down about each sandbox, for the gateway that comes after this one.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use portway_domain::ids::SessionId;
use serde::{Deserialize, Serialize};

use super::folders::{file_name, make_private};
use super::process::{Process, machine_run};

/// Far more than a run file can have.
const MAX_BYTES: u64 = 16 * 1_024;

/// One sandbox: `<session>.<generation>.json` in the run folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunFile {
    pub(super) session: SessionId,
    pub(super) generation: u32,
    /// The runner's process, which leads its group.
    pub(super) pid: i32,
    /// When it started, see [`Process`].
    pub(super) started: u64,
    /// In which run of the machine, see [`machine_run`].
    pub(super) machine_run: String,
}

impl RunFile {
    pub(super) fn new(session: &SessionId, generation: u32, process: Process) -> Self {
        Self {
            session: session.clone(),
            generation,
            pid: process.pid(),
            started: process.started(),
            machine_run: machine_run(),
        }
    }

    /// The runner, if it lives.
    pub(super) fn process(&self) -> Option<Process> {
        let process = Process::remembered(self.pid, self.started)?;
        (process.is_alive() && self.machine_run == machine_run()).then_some(process)
    }
}

/// The folder of run files. Its calls block, for single small files.
#[derive(Debug)]
pub(super) struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes the folder if it does not exist.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        make_private(&path)?;
        Ok(Self { path })
    }

    fn file(&self, session: &SessionId, generation: u32) -> PathBuf {
        self.path.join(format!("{}.{generation}.json", file_name(session)))
    }

    /// Writes all or nothing.
    pub(super) fn write(&self, run: &RunFile) -> io::Result<()> {
        let file = self.file(&run.session, run.generation);
        let unfinished = file.with_extension("unfinished");
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut output = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        output.write_all(&serde_json::to_vec(run)?)?;
        // Not synced: what the file speaks of does not outlive the machine either.
        fs::rename(&unfinished, &file)
    }

    /// The run file of a sandbox; `None` if there is none that can be read.
    pub(super) fn read(&self, session: &SessionId, generation: u32) -> Option<RunFile> {
        let run = read(&self.file(session, generation))?;
        (run.session == *session && run.generation == generation).then_some(run)
    }

    /// All run files. Those that cannot be read are removed: they are of no use to anybody.
    pub(super) fn list(&self) -> io::Result<Vec<RunFile>> {
        let mut runs = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            if split_name(&path).is_none() {
                continue;
            }
            match read(&path) {
                Some(run) => runs.push(run),
                None => discard(&path),
            }
        }
        Ok(runs)
    }

    /// The generations of a session that have a run file.
    pub(super) fn generations(&self, session: &SessionId) -> io::Result<Vec<u32>> {
        let wanted = file_name(session);
        let mut generations = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            if let Some((name, generation)) = split_name(&entry?.path())
                && name == wanted
            {
                generations.push(generation);
            }
        }
        Ok(generations)
    }

    /// Removes a run file; without effect if there is none.
    pub(super) fn remove(&self, session: &SessionId, generation: u32) {
        discard(&self.file(session, generation));
    }
}

/// The run files of a folder that may not exist, without making or removing anything.
pub(super) fn look(folder: &Path) -> io::Result<Vec<RunFile>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    Ok(paths.iter().filter(|path| split_name(path).is_some()).filter_map(|path| read(path)).collect())
}

fn read(path: &Path) -> Option<RunFile> {
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn discard(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "a run file cannot be removed");
        }
        _ => {}
    }
}

/// The session's part and the generation of a run file's name.
fn split_name(path: &Path) -> Option<(&str, u32)> {
    let (name, generation) = path.file_name()?.to_str()?.strip_suffix(".json")?.rsplit_once('.')?;
    Some((name, generation.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn id(text: &str) -> SessionId {
        SessionId::parse(text).unwrap()
    }

    fn run(session: &str, generation: u32) -> RunFile {
        RunFile { session: id(session), generation, pid: 4_000_000, started: 1, machine_run: machine_run() }
    }

    fn folder() -> (tempfile::TempDir, RunFolder) {
        let scratch = tempfile::tempdir().unwrap();
        let folder = RunFolder::open(scratch.path().join("run")).unwrap();
        (scratch, folder)
    }

    #[test]
    fn sessions_that_look_alike_are_told_apart() {
        let (_scratch, folder) = folder();
        for (session, generation) in [("a", 5), ("a.1", 5), ("a.1", 7), ("a:1", 9), ("..", 1)] {
            folder.write(&run(session, generation)).unwrap();
        }
        let generations = |session: &str| {
            let mut found = folder.generations(&id(session)).unwrap();
            found.sort_unstable();
            found
        };
        assert_eq!(generations("a"), [5]);
        assert_eq!(generations("a.1"), [5, 7]);
        assert_eq!(generations("a:1"), [9]);
        assert_eq!(generations(".."), [1]);
        assert_eq!(folder.read(&id("a.1"), 7), Some(run("a.1", 7)));
        assert_eq!(folder.list().unwrap().len(), 5);
        folder.remove(&id("a.1"), 7);
        assert_eq!(folder.read(&id("a.1"), 7), None);
        assert_eq!(generations("a.1"), [5]);
    }

    #[test]
    fn a_look_changes_nothing() {
        let (scratch, folder) = folder();
        let path = scratch.path().join("run");
        folder.write(&run("s", 1)).unwrap();
        fs::write(path.join("broken.1.json"), "{").unwrap();
        assert_eq!(look(&path).unwrap(), [run("s", 1)]);
        assert!(path.join("broken.1.json").exists());
        assert_eq!(look(&scratch.path().join("none")).unwrap(), []);
        assert!(!scratch.path().join("none").exists());
    }

    #[test]
    fn only_the_owner_may_look() {
        let (scratch, folder) = folder();
        let written = run("s", 1);
        folder.write(&written).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&scratch.path().join("run")), 0o700);
        assert_eq!(mode(&folder.file(&written.session, 1)), 0o600);
    }

    #[test]
    fn a_reader_never_sees_half_a_file() {
        let (_scratch, folder) = folder();
        folder.write(&run("s", 1)).unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| (0..500).for_each(|_| folder.write(&run("s", 1)).unwrap()));
            while !writer.is_finished() {
                assert_eq!(folder.read(&id("s"), 1), Some(run("s", 1)));
            }
        });
        let names: Vec<_> = fs::read_dir(&folder.path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["s.1.json"]);
    }

    #[test]
    fn damaged_files_are_cleared_away_and_others_left_alone() {
        let (_scratch, folder) = folder();
        fs::write(folder.path.join("s.1.json"), "{").unwrap();
        fs::write(folder.path.join("notes.txt"), "mine").unwrap();
        assert_eq!(folder.read(&id("s"), 1), None);
        assert_eq!(folder.list().unwrap(), []);
        assert!(!folder.path.join("s.1.json").exists());
        assert!(folder.path.join("notes.txt").exists());
    }

    #[test]
    fn a_process_of_an_earlier_run_of_the_machine_is_gone() {
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let mut run = RunFile::new(&id("s"), 1, Process::of_child(child.id()).unwrap());
        #[cfg(target_os = "linux")]
        assert!(run.process().is_some());
        run.machine_run = "another".to_owned();
        assert_eq!(run.process(), None);
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
