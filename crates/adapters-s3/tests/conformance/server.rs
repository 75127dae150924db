//! S3 servers of the tests, and what becomes of calls where something is wrong with them.

use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use libtest_mimic::Trial;
use portway_adapters_s3::{S3Objects, S3Options, S3Secret};
use portway_ports::objects::{Object, ObjectError, ObjectKey, ObjectStore};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const BUCKET: &str = "objects";
const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

const NO_BUCKET: &str = "HTTP/1.1 404 Not Found\r\ncontent-type: application/xml\r\ncontent-length: 40\r\n\r\n\
                         <Error><Code>NoSuchBucket</Code></Error>";

/// How a server answers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answering {
    /// As S3 does; signatures are checked.
    Truly,
    /// Not at all.
    Never,
    /// With this.
    With(&'static str),
}

/// A server with one bucket, which is gone when this is dropped.
pub(crate) struct Server {
    endpoint: String,
    _scratch: TempDir,
    serving: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(answering: Answering) -> Self {
        let scratch = TempDir::new().unwrap();
        std::fs::create_dir(scratch.path().join(BUCKET)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(scratch.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(ID, SECRET));
        let service = service.build();
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = service.clone();
                tokio::spawn(async move {
                    match answering {
                        Answering::Truly => {
                            let builder = Builder::new(TokioExecutor::new());
                            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                        }
                        Answering::Never => std::future::pending().await,
                        Answering::With(answer) => answer_with(stream, answer).await,
                    }
                });
            }
        });
        Self { endpoint, _scratch: scratch, serving }
    }

    pub(crate) fn options(&self) -> S3Options {
        S3Options {
            bucket: BUCKET.to_owned(),
            prefix: None,
            endpoint: Some(self.endpoint.clone()),
            region: None,
            access_key_id: ID.to_owned(),
            secret_access_key: S3Secret::new(SECRET),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer_with(mut stream: TcpStream, answer: &str) {
    let mut request = [0; 4_096];
    while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_wrong_secret_is_refused", async || {
            let server = Server::start(Answering::Truly).await;
            let options = S3Options { secret_access_key: S3Secret::new("wrong"), ..server.options() };
            every_call(options, |error| is_refused(error, "check its id, its secret")).await;
            let options = S3Options { access_key_id: "unknown".to_owned(), ..server.options() };
            every_call(options, |error| is_refused(error, "check its id, its secret")).await;
        }),
        trial("a_missing_bucket_is_named", async || {
            // The server of the tests makes a bucket of anything.
            let server = Server::start(Answering::With(NO_BUCKET)).await;
            every_call(server.options(), |error| is_refused(error, "no bucket objects")).await;
        }),
        trial("a_silent_server_is_given_up", async || {
            let server = Server::start(Answering::Never).await;
            every_call(server.options(), |error| is_unavailable(error, "no answer within")).await;
        }),
        trial("a_broken_server_is_told", async || {
            for answer in [
                "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 4\r\n\r\nfire",
                "HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\n\r\n",
                "this is no answer\r\n\r\n",
            ] {
                let server = Server::start(Answering::With(answer)).await;
                every_call(server.options(), |error| is_unavailable(error, "")).await;
            }
        }),
        trial("an_absent_server_is_told", async || {
            let options = Server::start(Answering::Truly).await.options();
            every_call(options, |error| is_unavailable(error, "")).await;
        }),
        trial("secrets_are_not_shown", async || {
            let server = Server::start(Answering::Truly).await;
            assert!(!format!("{:?}", server.options()).contains("wJalr"));
            let objects = S3Objects::new(server.options()).unwrap();
            assert!(!format!("{objects:?}").contains("wJalr"));
        }),
    ]
}

fn trial<F: Future<Output = ()>>(name: &str, check: impl FnOnce() -> F + Send + 'static) -> Trial {
    Trial::test(format!("s3::{name}"), move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(check());
        Ok(())
    })
}

fn key() -> ObjectKey {
    ObjectKey::parse("a/b").unwrap()
}

fn is_refused(error: &ObjectError, with: &str) -> bool {
    matches!(error, ObjectError::Refused(said) if said.contains(with))
}

fn is_unavailable(error: &ObjectError, with: &str) -> bool {
    matches!(error, ObjectError::Unavailable(said) if said.contains(with) && said.len() <= 600)
}

/// Every call but `head` fails in that way.
async fn every_call(options: S3Options, expected: impl Fn(&ObjectError) -> bool) {
    let objects = S3Objects::new(options).unwrap().with_patience(Duration::from_secs(2));
    let put = objects.put(&key(), Object::new("text/plain", "x").unwrap()).await.unwrap_err();
    let get = objects.get(&key()).await.unwrap_err();
    let delete = objects.delete(&key()).await.unwrap_err();
    let list = objects.list(&key(), None, 10).await.unwrap_err();
    for error in [put, get, delete, list] {
        assert!(expected(&error), "{error}");
    }
}
