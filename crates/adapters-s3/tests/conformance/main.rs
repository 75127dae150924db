//! The port suite of objects on everything that this crate keeps them in.
#![cfg(test)]

mod server;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use portway_adapters_s3::{FolderObjects, MemoryObjects, S3Objects};
use portway_conformance::{ObjectCase, object_cases};
use portway_domain::time::Timestamp;
use portway_ports::objects::{ObjectKey, ObjectStore};
use portway_ports::system::Clock;
use tempfile::TempDir;

use self::server::{Answering, Server};

/// A clock that nobody waits for.
struct Stopped;

#[async_trait::async_trait]
impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }

    async fn sleep(&self, _: std::time::Duration) {}
}

type Opened = (Arc<dyn ObjectStore>, Box<dyn std::any::Any>);

async fn memory() -> Opened {
    (Arc::new(MemoryObjects::new(Arc::new(Stopped))), Box::new(()))
}

async fn folder() -> Opened {
    let scratch = TempDir::new().unwrap();
    (Arc::new(FolderObjects::open(scratch.path().join("objects")).unwrap()), Box::new(scratch))
}

async fn s3() -> Opened {
    let server = Server::start(Answering::Truly).await;
    (Arc::new(S3Objects::new(server.options()).unwrap()), Box::new(server))
}

async fn s3_below_a_prefix() -> Opened {
    let server = Server::start(Answering::Truly).await;
    let mut options = server.options();
    options.prefix = Some(ObjectKey::parse("portway/here").unwrap());
    (Arc::new(S3Objects::new(options).unwrap()), Box::new(server))
}

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for case in object_cases() {
        trials.push(trial("memory", case, memory));
        trials.push(trial("folder", case, folder));
        // The server of the tests keeps objects as files, and fails where it is asked for one of its folders.
        if case.name == "objects::a_folder_is_no_object" {
            continue;
        }
        trials.push(trial("s3", case, s3));
        trials.push(trial("s3_below_a_prefix", case, s3_below_a_prefix));
    }
    trials.extend(server::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial<F: Future<Output = Opened> + 'static>(place: &str, case: ObjectCase, open: fn() -> F) -> Trial {
    Trial::test(format!("{place}::{}", case.name), move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(async {
            let (objects, _kept) = open().await;
            (case.run)(objects).await.map_err(Failed::from)
        })
    })
}
