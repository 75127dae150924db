//! An S3 server for gateways that share attachments.

use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use portway_adapters_s3::{S3Objects, S3Options, S3Secret};
use portway_ports::objects::{MAX_OBJECT_PAGE, ObjectKey, ObjectStore};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::gateway::Gateway;

const BUCKET: &str = "objects";
const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// A server with one bucket, which is gone when this is dropped.
pub(crate) struct BucketServer {
    endpoint: String,
    _scratch: TempDir,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<()>>,
}

impl BucketServer {
    pub(crate) fn start() -> Self {
        let scratch = TempDir::new().unwrap();
        std::fs::create_dir(scratch.path().join(BUCKET)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let files = s3s_fs::FileSystem::new(scratch.path()).unwrap();
        let (stop, stopped) = oneshot::channel();
        // The thread of a test does nothing else while it waits for the end of a gateway.
        let serving = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, files) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { endpoint, _scratch: scratch, stop: Some(stop), serving: Some(serving) }
    }

    /// The gateway with its objects in the bucket.
    pub(crate) fn keeps_objects_of(&self, gateway: Gateway) -> Gateway {
        gateway
            .with_variable("PORTWAY_OBJECTS", format!("s3://{BUCKET}/portway"))
            .with_variable("PORTWAY_OBJECTS_ENDPOINT", &self.endpoint)
            .with_variable("AWS_ACCESS_KEY_ID", ID)
            .with_variable("AWS_SECRET_ACCESS_KEY", SECRET)
    }

    /// The keys of a session's objects, as they are in the bucket.
    pub(crate) async fn objects_of(&self, session: &str) -> Vec<String> {
        let options = S3Options {
            bucket: BUCKET.to_owned(),
            prefix: None,
            endpoint: Some(self.endpoint.clone()),
            region: None,
            access_key_id: ID.to_owned(),
            secret_access_key: S3Secret::new(SECRET),
        };
        let folder = ObjectKey::parse(format!("portway/sessions/{session}")).unwrap();
        let listed = S3Objects::new(options).unwrap().list(&folder, None, MAX_OBJECT_PAGE).await.unwrap();
        listed.into_iter().map(|object| object.key.as_str().to_owned()).collect()
    }
}

impl Drop for BucketServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.serving.take().map(JoinHandle::join);
    }
}

async fn serve(listener: TcpListener, files: s3s_fs::FileSystem) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(ID, SECRET));
    let service = service.build();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let service = service.clone();
        tokio::spawn(async move {
            let builder = Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
