//! Objects as files below a folder.
//!
//! A file begins with a line of JSON that says what the bytes behind it are and how many: one file is one object, so
//! one rename puts all of it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use portway_domain::time::Timestamp;
use portway_ports::objects::{
    ListedObject, MAX_OBJECT_BYTES, MAX_OBJECT_PAGE, Object, ObjectError, ObjectInfo, ObjectKey, ObjectStore,
};
use serde::{Deserialize, Serialize};

/// Where files are while they are written. No key has a segment that begins with a dot.
const UNFINISHED: &str = ".unfinished";

/// Age at which what is not finished never will be.
const ABANDONED: Duration = Duration::from_secs(3_600);

/// Longest first line of a file.
const MAX_HEAD_BYTES: u64 = 1_024;

/// Objects as files below a folder. Clones share it.
#[derive(Debug, Clone)]
pub struct FolderObjects {
    root: Arc<Path>,
    /// Tells files apart that are written at the same time.
    written: Arc<AtomicU64>,
}

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the folder {} for objects cannot be used: {source}", .path.display())]
pub struct FolderError {
    path: PathBuf,
    source: io::Error,
}

/// The first line of a file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    content_type: String,
    length: u64,
}

impl FolderObjects {
    /// Objects below `root`, which is made if it does not exist. What was begun long ago and never finished is removed.
    ///
    /// # Errors
    /// [`FolderError`] when the folder cannot be made or written to.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, FolderError> {
        let root = root.into();
        let prepare = || {
            let unfinished = root.join(UNFINISHED);
            make_folder(&unfinished)?;
            remove_abandoned(&unfinished)
        };
        match prepare() {
            Ok(()) => Ok(Self { root: root.into(), written: Arc::default() }),
            Err(source) => Err(FolderError { path: root, source }),
        }
    }

    /// Does what blocks where it may.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> io::Result<T> + Send + 'static,
    ) -> Result<T, ObjectError> {
        let objects = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&objects)).await;
        done.unwrap_or_else(|error| Err(io::Error::other(error)))
            .map_err(|error| ObjectError::Unavailable(error.to_string()))
    }

    fn path(&self, key: &ObjectKey) -> PathBuf {
        self.root.join(key.as_str())
    }

    fn write(&self, key: &ObjectKey, object: &Object) -> io::Result<()> {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let unfinished = self.root.join(UNFINISHED).join(format!("{}-{number}", std::process::id()));
        let written = write_file(&unfinished, object).and_then(|()| self.finish(&unfinished, &self.path(key)));
        if written.is_err() {
            // It may be that there is none; what stays is removed by the next start.
            let _ = fs::remove_file(&unfinished);
        }
        written
    }

    /// Gives a finished file its name, for good.
    fn finish(&self, unfinished: &Path, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(&self.root);
        loop {
            make_folder(folder)?;
            match fs::rename(unfinished, path) {
                // The folder was empty and removed by a delete in between.
                Err(error) if error.kind() == io::ErrorKind::NotFound && unfinished.exists() => {}
                done => break done?,
            }
        }
        // A new folder is an entry of the one above it.
        for folder in folder.ancestors().take_while(|folder| folder.starts_with(&self.root)) {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    fn remove(&self, key: &ObjectKey) -> io::Result<()> {
        let path = self.path(key);
        match fs::remove_file(&path) {
            Err(error) if !is_absent(&error) => return Err(error),
            _ => {}
        }
        let above = path.ancestors().skip(1).take_while(|folder| **folder != *self.root);
        for folder in above {
            // Folders that are not empty stay.
            if fs::remove_dir(folder).is_err() {
                return sync_folder(folder);
            }
        }
        sync_folder(&self.root)
    }

    fn list_below(&self, folder: &ObjectKey, after: Option<&str>, limit: usize) -> io::Result<Vec<ListedObject>> {
        let mut listed = Vec::new();
        list_into(&self.path(folder), folder.as_str(), after, limit, &mut listed)?;
        Ok(listed)
    }
}

/// Adds what is below a folder, in the order of keys, until there are `limit`.
fn list_into(
    path: &Path,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
    listed: &mut Vec<ListedObject>,
) -> io::Result<()> {
    for name in sorted_entries(path)? {
        if listed.len() >= limit {
            break;
        }
        let is_folder = name.ends_with('/');
        let key = format!("{prefix}/{}", name.trim_end_matches('/'));
        if is_folder {
            let below = format!("{key}/");
            // All keys of a folder begin with its name: where that is passed, so are they.
            let is_done = after.is_some_and(|after| after > below.as_str() && !after.starts_with(&below));
            if !is_done {
                list_into(&path.join(name.trim_end_matches('/')), &key, after, limit, listed)?;
            }
        } else if after.is_none_or(|after| key.as_str() > after)
            && let Some(object) = entry(&path.join(&name), key)?
        {
            listed.push(object);
        }
    }
    Ok(())
}

/// Names in a folder, those of folders with a slash at the end: so they sort as the keys below them do.
fn sorted_entries(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    let entries = match fs::read_dir(path) {
        Err(error) if is_absent(&error) => return Ok(names),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        // What has another name was not put by this program.
        let Ok(name) = entry.file_name().into_string() else { continue };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            names.push(format!("{name}/"));
        } else if kind.is_file() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn entry(path: &Path, key: String) -> io::Result<Option<ListedObject>> {
    let Ok(key) = ObjectKey::parse(key) else {
        return Ok(None);
    };
    let modified = match fs::metadata(path) {
        Err(error) if is_absent(&error) => return Ok(None),
        metadata => metadata?.modified()?,
    };
    let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    let put_at = Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
    Ok(Some(ListedObject { key, put_at }))
}

/// Removes what nobody finishes any more; others may be at work in the same folder.
fn remove_abandoned(unfinished: &Path) -> io::Result<()> {
    for entry in fs::read_dir(unfinished)? {
        let path = entry?.path();
        let age = fs::metadata(&path).and_then(|found| found.modified()).map(|modified| modified.elapsed());
        if matches!(age, Ok(Ok(age)) if age > ABANDONED) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    match File::open(path) {
        // Another delete was quicker.
        Err(error) if is_absent(&error) => Ok(()),
        folder => folder?.sync_all(),
    }
}

fn write_file(path: &Path, object: &Object) -> io::Result<()> {
    let length = object.content().len() as u64;
    let head = serde_json::to_string(&Head { content_type: object.content_type().to_owned(), length })?;
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(head.as_bytes())?;
    file.write_all(b"\n")?;
    file.write_all(object.content())?;
    file.sync_all()
}

/// A key names nothing: also when what would be its folder is an object.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory)
}

/// Opens a file and reads its first line.
fn open_file(path: &Path) -> io::Result<Option<(Head, BufReader<File>)>> {
    let file = match File::open(path) {
        Err(error) if is_absent(&error) => return Ok(None),
        file => file?,
    };
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    reader.by_ref().take(MAX_HEAD_BYTES).read_until(b'\n', &mut line)?;
    let head: Head = serde_json::from_slice(&line).map_err(|_| damaged(path))?;
    if head.length > MAX_OBJECT_BYTES {
        return Err(damaged(path));
    }
    Ok(Some((head, reader)))
}

fn damaged(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{} is no object, or damaged", path.display()))
}

fn read_file(path: &Path) -> io::Result<Option<Object>> {
    let Some((head, reader)) = open_file(path)? else {
        return Ok(None);
    };
    let mut content = Vec::new();
    reader.take(head.length + 1).read_to_end(&mut content)?;
    if content.len() as u64 != head.length {
        return Err(damaged(path));
    }
    Object::new(head.content_type, content).map(Some).map_err(|_| damaged(path))
}

#[async_trait]
impl ObjectStore for FolderObjects {
    async fn put(&self, key: &ObjectKey, object: Object) -> Result<(), ObjectError> {
        let key = key.clone();
        self.blocking(move |objects| objects.write(&key, &object)).await
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, ObjectError> {
        let path = self.path(key);
        self.blocking(move |_| read_file(&path)).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, ObjectError> {
        let path = self.path(key);
        let head = self.blocking(move |_| open_file(&path)).await?;
        Ok(head.map(|(head, _)| ObjectInfo { content_type: head.content_type, length: head.length }))
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), ObjectError> {
        let key = key.clone();
        self.blocking(move |objects| objects.remove(&key)).await
    }

    async fn list(
        &self,
        folder: &ObjectKey,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<ListedObject>, ObjectError> {
        let (folder, after) = (folder.clone(), after.cloned());
        let limit = limit.clamp(1, MAX_OBJECT_PAGE);
        self.blocking(move |objects| objects.list_below(&folder, after.as_ref().map(ObjectKey::as_str), limit)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    fn key(text: &str) -> ObjectKey {
        ObjectKey::parse(text).unwrap()
    }

    #[tokio::test]
    async fn what_was_not_finished_is_removed_and_never_seen() {
        let scratch = tempfile::tempdir().unwrap();
        drop(FolderObjects::open(scratch.path()).unwrap());
        let [old, new] = ["1-0", "2-0"].map(|name| scratch.path().join(UNFINISHED).join(name));
        fs::write(&old, "half").unwrap();
        fs::write(&new, "half").unwrap();
        let long_ago = SystemTime::now() - 2 * ABANDONED;
        File::options().write(true).open(&old).unwrap().set_modified(long_ago).unwrap();
        let objects = FolderObjects::open(scratch.path()).unwrap();
        assert!(!old.exists() && new.exists());
        objects.put(&key("a/b"), Object::new("text/plain", "x").unwrap()).await.unwrap();
        assert_eq!(fs::read_dir(scratch.path().join(UNFINISHED)).unwrap().count(), 1);
        assert_eq!(objects.list(&key("a"), None, 9).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_damaged_file_is_an_error_and_not_an_object() {
        let scratch = tempfile::tempdir().unwrap();
        let objects = FolderObjects::open(scratch.path()).unwrap();
        for text in
            ["", "{}\nabc", "{\"contentType\":\"a/b\",\"length\":3}\nab", "{\"contentType\":\"a/b\",\"length\":1}\nab"]
        {
            fs::write(scratch.path().join("x"), text).unwrap();
            assert!(matches!(objects.get(&key("x")).await, Err(ObjectError::Unavailable(_))), "{text}");
        }
    }

    #[tokio::test]
    async fn empty_folders_go_and_files_are_for_their_owner() {
        use std::os::unix::fs::PermissionsExt;
        let scratch = tempfile::tempdir().unwrap();
        let objects = FolderObjects::open(scratch.path().join("objects")).unwrap();
        objects.put(&key("a/b/c"), Object::new("text/plain", "x").unwrap()).await.unwrap();
        let path = scratch.path().join("objects/a/b/c");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        objects.delete(&key("a/b/c")).await.unwrap();
        assert!(!scratch.path().join("objects/a").exists());
        assert!(scratch.path().join("objects").exists());
    }
}
