//! Bytes by key.

use std::sync::Arc;

use futures_util::future::{BoxFuture, join_all};
use portway_ports::objects::{ListedObject, MAX_OBJECT_PAGE, Object, ObjectError, ObjectInfo, ObjectKey, ObjectStore};

use crate::failure::{Failure, Outcome};

/// A case that runs.
type Running = BoxFuture<'static, Result<(), Failure>>;

/// One promise of [`ObjectStore`].
#[derive(Debug, Clone, Copy)]
pub struct ObjectCase {
    /// Concern and promise.
    pub name: &'static str,
    /// Checks the promise, on a store in which there is nothing.
    pub run: fn(Arc<dyn ObjectStore>) -> Running,
}

macro_rules! list {
    ($($case:ident),* $(,)?) => {
        vec![$(ObjectCase {
            name: concat!("objects::", stringify!($case)),
            run: |objects| Box::pin($case(objects)),
        },)*]
    };
}

/// All cases of [`ObjectStore`].
#[must_use]
pub fn object_cases() -> Vec<ObjectCase> {
    list![
        what_was_put_is_read_back,
        what_is_not_there_is_none,
        a_folder_is_no_object,
        a_later_object_takes_the_place,
        a_deleted_object_is_gone,
        a_list_has_what_is_below_in_order,
        pages_have_every_object_once,
        a_page_is_bounded,
        a_listed_object_tells_when_it_was_put,
        readers_see_whole_objects,
        many_are_put_and_deleted_at_once,
    ]
}

type Objects = Arc<dyn ObjectStore>;

impl From<ObjectError> for Failure {
    #[track_caller]
    fn from(error: ObjectError) -> Self {
        Self::new(error)
    }
}

fn key(text: &str) -> Outcome<ObjectKey> {
    ObjectKey::parse(text).map_err(Failure::new)
}

fn text(content: &str) -> Outcome<Object> {
    Ok(Object::new("text/plain", content.to_owned())?)
}

async fn put(objects: &Objects, keys: &[&str]) -> Outcome {
    for name in keys {
        objects.put(&key(name)?, text(name)?).await?;
    }
    Ok(())
}

async fn list(objects: &Objects, folder: &str, after: Option<&str>, limit: usize) -> Outcome<Vec<String>> {
    let after = after.map(key).transpose()?;
    let listed = objects.list(&key(folder)?, after.as_ref(), limit).await?;
    Ok(listed.into_iter().map(|object| object.key.to_string()).collect())
}

async fn what_was_put_is_read_back(objects: Objects) -> Outcome {
    let every_byte: Vec<u8> = (0..=255).collect();
    let large = every_byte.repeat(5_000);
    for (name, content_type, content) in [
        ("empty", "text/plain; charset=utf-8", Vec::new()),
        ("bytes", "image/png", every_byte),
        ("deep/down/below:x_y-z.png", "audio/webm", large),
    ] {
        let (key, length) = (key(name)?, content.len() as u64);
        let object = Object::new(content_type, content)?;
        objects.put(&key, object.clone()).await?;
        check!(objects.get(&key).await? == Some(object), "{name}");
        let info = ObjectInfo { content_type: content_type.to_owned(), length };
        check_eq!(objects.head(&key).await?, Some(info), "{name}");
    }
    Ok(())
}

async fn what_is_not_there_is_none(objects: Objects) -> Outcome {
    put(&objects, &["a/b"]).await?;
    for name in ["b", "a/c", "c/a/b", "a/bb"] {
        check_eq!(objects.get(&key(name)?).await?, None, "{name}");
        check_eq!(objects.head(&key(name)?).await?, None, "{name}");
        objects.delete(&key(name)?).await?;
    }
    check!(objects.get(&key("a/b")?).await?.is_some());
    check_eq!(list(&objects, "nothing", None, 10).await?, Vec::<String>::new());
    Ok(())
}

async fn a_folder_is_no_object(objects: Objects) -> Outcome {
    put(&objects, &["a/b/c"]).await?;
    for name in ["a", "a/b"] {
        check_eq!(objects.get(&key(name)?).await?, None, "{name}");
        check_eq!(objects.head(&key(name)?).await?, None, "{name}");
    }
    check_eq!(list(&objects, "a/b/c", None, 10).await?, Vec::<String>::new());
    Ok(())
}

async fn a_later_object_takes_the_place(objects: Objects) -> Outcome {
    let key = key("a/b")?;
    for object in [text("a longer one")?, Object::new("application/json", "{}")?, text("")?] {
        objects.put(&key, object.clone()).await?;
        check_eq!(objects.get(&key).await?, Some(object));
    }
    check_eq!(list(&objects, "a", None, 10).await?, ["a/b"]);
    Ok(())
}

async fn a_deleted_object_is_gone(objects: Objects) -> Outcome {
    put(&objects, &["a/b", "a/c"]).await?;
    objects.delete(&key("a/b")?).await?;
    check_eq!(objects.get(&key("a/b")?).await?, None);
    check_eq!(list(&objects, "a", None, 10).await?, ["a/c"]);
    objects.delete(&key("a/b")?).await?;
    objects.delete(&key("a/c")?).await?;
    check_eq!(list(&objects, "a", None, 10).await?, Vec::<String>::new());
    put(&objects, &["a/b"]).await?;
    check_eq!(list(&objects, "a", None, 10).await?, ["a/b"]);
    Ok(())
}

/// Below `x` in the order of their bytes; a slash comes after a dot and a hyphen and before everything else.
const BELOW: [&str; 9] = ["x/A", "x/a-/z", "x/a.b", "x/a/1", "x/a/b/c", "x/a/b0", "x/a0", "x/b", "x/b.0/d"];

async fn fill(objects: &Objects) -> Outcome {
    let mut shuffled = BELOW;
    shuffled.rotate_left(4);
    shuffled.swap(1, 6);
    put(objects, &shuffled).await?;
    put(objects, &["x.y/a", "x-y/b", "xy/c", "w/d"]).await
}

async fn a_list_has_what_is_below_in_order(objects: Objects) -> Outcome {
    fill(&objects).await?;
    check_eq!(list(&objects, "x", None, 100).await?, BELOW);
    check_eq!(list(&objects, "x/a", None, 100).await?, ["x/a/1", "x/a/b/c", "x/a/b0"]);
    check_eq!(list(&objects, "x", Some("x/a/b"), 100).await?, BELOW[4..]);
    check_eq!(list(&objects, "x", Some("x/a.zzz"), 100).await?, BELOW[3..]);
    check_eq!(list(&objects, "x", Some("a"), 100).await?, BELOW);
    check_eq!(list(&objects, "x", Some("y"), 100).await?, Vec::<String>::new());
    Ok(())
}

async fn pages_have_every_object_once(objects: Objects) -> Outcome {
    fill(&objects).await?;
    for limit in 1..=BELOW.len() + 1 {
        let mut found: Vec<String> = Vec::new();
        loop {
            let page = list(&objects, "x", found.last().map(String::as_str), limit).await?;
            check!(page.len() <= limit, "{page:?}");
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        check_eq!(found, BELOW, "{limit} at once");
    }
    Ok(())
}

async fn a_page_is_bounded(objects: Objects) -> Outcome {
    put(&objects, &["a/1", "a/2"]).await?;
    check_eq!(list(&objects, "a", None, 0).await?, ["a/1"]);
    check_eq!(list(&objects, "a", None, MAX_OBJECT_PAGE + 1).await?, ["a/1", "a/2"]);
    Ok(())
}

async fn a_listed_object_tells_when_it_was_put(objects: Objects) -> Outcome {
    put(&objects, &["a/1"]).await?;
    put(&objects, &["a/2"]).await?;
    let listed: Vec<ListedObject> = objects.list(&key("a")?, None, 10).await?;
    let times: Vec<i64> = listed.iter().map(|object| object.put_at.as_micros()).collect();
    check!(times.len() == 2 && times[0] <= times[1], "{times:?}");
    Ok(())
}

async fn readers_see_whole_objects(objects: Objects) -> Outcome {
    let key = key("a/b")?;
    let [first, second] = [b"1", b"2"].map(|byte| byte.repeat(200_000));
    let whole = [Object::new("image/png", first)?, Object::new("image/png", second)?];
    objects.put(&key, whole[0].clone()).await?;
    for round in 0..10 {
        let write = objects.put(&key, whole[round % 2].clone());
        let (written, read) = futures_util::future::join(write, objects.get(&key)).await;
        written?;
        check!(read?.is_some_and(|found| whole.contains(&found)), "half an object in round {round}");
    }
    Ok(())
}

async fn many_are_put_and_deleted_at_once(objects: Objects) -> Outcome {
    let keys = (0..20).map(|number| key(&format!("a/{}/{number}", number % 3))).collect::<Outcome<Vec<_>>>()?;
    for _ in 0..3 {
        let object = text("x")?;
        for done in join_all(keys.iter().map(|key| objects.put(key, object.clone()))).await {
            done?;
        }
        check_eq!(list(&objects, "a", None, 100).await?.len(), keys.len());
        let (some, others) = keys.split_at(10);
        let deleted = join_all(some.iter().map(|key| objects.delete(key)));
        let replaced = join_all(others.iter().map(|key| objects.put(key, object.clone())));
        let (deleted, replaced) = futures_util::future::join(deleted, replaced).await;
        deleted.into_iter().chain(replaced).collect::<Result<Vec<()>, _>>()?;
        check_eq!(list(&objects, "a", None, 100).await?.len(), others.len());
    }
    Ok(())
}
