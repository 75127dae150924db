//! What runners report of workspaces.

use portway_domain::engine::Change;
use portway_domain::sessions::Session;
use portway_domain::workspaces::{
    ChangedFiles, FileChange, FileStatus, GitReport, GitState, KeptFile, MAX_CHANGED_FILES, MAX_PATH_CHARS,
};

use crate::failure::{Failure, Outcome};
use crate::fixture::{Fixture, Person, at};

/// A changed file with so many lines more.
pub(crate) fn file(path: &str, status: FileStatus, additions: u32) -> FileChange {
    FileChange { path: path.to_owned(), status, additions, deletions: additions / 2 }
}

/// A report of these files.
pub(crate) fn reported(files: impl IntoIterator<Item = FileChange>, seq: u64, seconds: i64) -> Change {
    Change::FilesChanged { files: files.into_iter().collect::<Vec<_>>().into(), seq, at: at(seconds) }
}

fn said(branch: Option<&str>, base: Option<&str>, commits: Option<u32>, seq: u64, seconds: i64) -> Change {
    let name = |name: Option<&str>| name.map(str::to_owned);
    let report = GitReport { branch: name(branch), base_branch: name(base), commit_count: commits };
    Change::GitStateChanged { report, seq, at: at(seconds) }
}

async fn files(f: &Fixture, caller: &Person, session: &Session) -> Outcome<Vec<KeptFile>> {
    let found = f.store.changed_files(caller.hash(), &session.id).await?.value;
    found.map(|(_, files)| files).ok_or_else(|| Failure::new("there is no session"))
}

async fn git(f: &Fixture, caller: &Person, session: &Session) -> Outcome<Option<GitState>> {
    let found = f.store.git_state(caller.hash(), &session.id).await?.value;
    found.map(|(_, state)| state).ok_or_else(|| Failure::new("there is no session"))
}

fn kept(change: FileChange, created: i64, updated: i64) -> KeptFile {
    KeptFile { change, created_at: at(created), updated_at: at(updated) }
}

pub(crate) async fn a_report_of_the_files_is_all_of_them(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let (session, other) = (f.session(&ada).await?, f.session(&ada).await?);
    check_eq!(files(&f, &ada, &session).await?, []);
    let one = |path: &str| file(path, FileStatus::Added, 1);
    f.changed(&session.id, [reported([one("b"), one("a"), one("c")], 1, 10)]).await?;
    f.changed(&other.id, [reported([one("a")], 1, 10)]).await?;
    let expected = ["a", "b", "c"].map(|path| kept(one(path), 10, 10));
    check_eq!(files(&f, &ada, &session).await?, expected);

    // One changes, one stays, one goes, one is new.
    let changed = file("b", FileStatus::Modified, 7);
    f.changed(&session.id, [reported([one("d"), changed.clone(), one("a")], 2, 20)]).await?;
    let expected = [kept(one("a"), 10, 20), kept(changed, 10, 20), kept(one("d"), 20, 20)];
    check_eq!(files(&f, &ada, &session).await?, expected);

    f.changed(&session.id, [reported([], 3, 30)]).await?;
    check_eq!(files(&f, &ada, &session).await?, []);
    // One that comes back is new.
    f.changed(&session.id, [reported([one("a")], 4, 40), reported([one("a"), one("b")], 5, 50)]).await?;
    check_eq!(files(&f, &ada, &session).await?, [kept(one("a"), 40, 50), kept(one("b"), 50, 50)]);
    check_eq!(files(&f, &ada, &other).await?, [kept(one("a"), 10, 10)]);
    check_eq!(git(&f, &ada, &session).await?, None);
    Ok(())
}

pub(crate) async fn every_path_and_status_is_read_back(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let mut changes: Vec<FileChange> =
        FileStatus::ALL.into_iter().map(|status| file(status.as_str(), status, u32::MAX)).collect();
    for path in ["\"quoted\"", "a b", "new\nline", "back\\slash", "[\"json\"]", "'", "\u{1F980}", "\u{e9}", "Z", "%_"] {
        changes.push(file(path, FileStatus::Modified, 0));
    }
    changes.push(file(&"\u{1F980}".repeat(MAX_PATH_CHARS), FileStatus::Added, 1));
    changes.extend((changes.len()..MAX_CHANGED_FILES).map(|n| file(&format!("many/{n}"), FileStatus::Added, 1)));
    f.changed(&session.id, [reported(changes.clone(), 1, 0)]).await?;
    let expected = ChangedFiles::from(changes);
    check_eq!(expected.as_slice().len(), MAX_CHANGED_FILES);
    let found: Vec<FileChange> = files(&f, &ada, &session).await?.into_iter().map(|file| file.change).collect();
    check_eq!(found, expected.as_slice());
    Ok(())
}

pub(crate) async fn what_git_does_not_say_stays(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    check_eq!(git(&f, &ada, &session).await?, None);
    let state = |branch: Option<&str>, base: Option<&str>, commit_count, updated| {
        Some(GitState {
            branch: branch.map(str::to_owned),
            base_branch: base.map(str::to_owned),
            commit_count,
            created_at: at(10),
            updated_at: at(updated),
        })
    };
    f.changed(&session.id, [said(None, Some("main"), None, 1, 10)]).await?;
    check_eq!(git(&f, &ada, &session).await?, state(None, Some("main"), 0, 10));
    f.changed(&session.id, [said(Some("\u{1F980}"), None, Some(3), 2, 20)]).await?;
    check_eq!(git(&f, &ada, &session).await?, state(Some("\u{1F980}"), Some("main"), 3, 20));
    f.changed(&session.id, [said(None, None, Some(0), 3, 30)]).await?;
    check_eq!(git(&f, &ada, &session).await?, state(Some("\u{1F980}"), Some("main"), 0, 30));
    f.changed(&session.id, [reported([file("a", FileStatus::Added, 1)], 4, 40)]).await?;
    check_eq!(git(&f, &ada, &session).await?, state(Some("\u{1F980}"), Some("main"), 0, 30));
    Ok(())
}

pub(crate) async fn they_are_told_to_who_was_away(f: Fixture) -> Outcome {
    let ada = f.person("ada").await?;
    let session = f.session(&ada).await?;
    let changes = [
        reported([file("a", FileStatus::Added, 1), file("b", FileStatus::Added, 1)], 1, 10),
        said(Some("main"), None, None, 2, 20),
        reported([file("a", FileStatus::Added, 1)], 3, 30),
    ];
    f.changed(&session.id, changes).await?;
    for (seq, tells_git, tells_files) in [(0, true, true), (1, true, true), (2, false, true), (3, false, false)] {
        let found = f.store.changes_since(ada.hash(), &session.id, seq).await?.value;
        let found = found.ok_or_else(|| Failure::new("there is no session"))?;
        check_eq!(found.git.is_some(), tells_git, "after {seq}");
        let paths = found.files.map(|files| files.into_iter().map(|file| file.change.path).collect::<Vec<_>>());
        check_eq!(paths, tells_files.then(|| vec!["a".to_owned()]), "after {seq}");
    }
    f.changed(&session.id, [reported([], 4, 40)]).await?;
    let found = f.store.changes_since(ada.hash(), &session.id, 3).await?.value;
    check_eq!(found.map(|found| (found.git, found.files)), Some((None, Some(Vec::new()))));
    Ok(())
}

pub(crate) async fn only_who_takes_part_sees_them(f: Fixture) -> Outcome {
    let (ada, bob) = (f.person("ada").await?, f.person("bob").await?);
    let session = f.session(&ada).await?;
    let changes = [reported([file("secret", FileStatus::Added, 1)], 1, 10), said(Some("secret"), None, None, 2, 10)];
    f.changed(&session.id, changes).await?;
    let seen = f.store.changed_files(bob.hash(), &session.id).await?;
    check!(seen.caller.is_some());
    check!(seen.value.is_some_and(|(access, files)| access.role.is_none() && files.is_empty()));
    let seen = f.store.git_state(bob.hash(), &session.id).await?;
    check!(seen.value.is_some_and(|(access, state)| access.role.is_none() && state.is_none()));
    let seen = f.store.changes_since(bob.hash(), &session.id, 0).await?;
    check!(seen.value.is_some_and(|changes| changes.git.is_none() && changes.files.is_none_or(|all| all.is_empty())));
    check!(f.store.git_state(ada.hash(), &f.id()).await?.value.is_none());
    check!(f.store.changed_files(ada.hash(), &f.id()).await?.value.is_none());
    Ok(())
}

pub(crate) async fn a_workspace_needs_its_session(f: Fixture) -> Outcome {
    f.unchanged(&f.id(), reported([file("a", FileStatus::Added, 1)], 1, 0)).await?;
    f.unchanged(&f.id(), reported([], 1, 0)).await?;
    f.unchanged(&f.id(), said(Some("main"), None, None, 1, 0)).await
}
