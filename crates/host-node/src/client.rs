//! What commands have in common that talk to a gateway: its address, the key for it, and the way there.

pub(crate) mod error;
pub(crate) mod exit;
pub(crate) mod key;
pub(crate) mod server;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response, Url};

use self::error::{ApiError, unreachable, unreadable};
use self::exit::Exit;
use self::key::{Key, KeyError};
use self::server::Server;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a whole request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The gateway's data folder unless another one is named.
const DATA: &str = "./portway-data";

/// Which gateway is talked to.
#[derive(Debug, Clone, Args)]
pub struct GatewayArgs {
    /// Address of the gateway
    #[arg(long, value_name = "URL", env = "PORTWAY_SERVER", default_value = "http://127.0.0.1:8787")]
    pub server: String,
    /// The gateway's data folder, where its key is found unless PORTWAY_KEY is set [default: ./portway-data]
    #[arg(long, value_name = "DIR", env = "PORTWAY_DATA")]
    pub data: Option<PathBuf>,
}

/// Why there is no way to a gateway.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The address, or whatever is there.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl ConnectError {
    /// How the program ends with this error.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Api(error) => error.exit(),
            Self::Key(_) => Exit::BadKey,
        }
    }
}

/// A gateway, as one key sees it.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    http: Client,
    server: Server,
    key: Key,
}

impl Connection {
    /// To the gateway that the command line names, with the key for it. Warns where others can read the key.
    ///
    /// # Errors
    /// [`ConnectError`] says what to do.
    pub(crate) async fn find(args: &GatewayArgs) -> Result<Self, ConnectError> {
        let server = Server::parse(&args.server)?;
        let data = args.data.clone().unwrap_or_else(|| PathBuf::from(DATA));
        let trusted = server.is_local() || args.data.is_some();
        let key = match Key::find(std::env::var("PORTWAY_KEY").ok(), &data, trusted) {
            Ok(key) => key,
            Err(error) => {
                // Where no gateway was ever started there is no key either, and the first is what to say.
                probe(&server).await?;
                return Err(error.into());
            }
        };
        if server.is_open() {
            let warning = format!("warning: {server} is not encrypted; others on the way can read the key");
            // There is nobody to tell when that fails.
            let _ = writeln!(std::io::stderr().lock(), "{warning}");
        }
        Ok(Self::new(server, key)?)
    }

    /// To that gateway.
    ///
    /// # Errors
    /// [`ApiError::Unreadable`] when the system's certificates cannot be used.
    pub(crate) fn new(server: Server, key: Key) -> Result<Self, ApiError> {
        Ok(Self { http: client(&server)?, server, key })
    }

    /// The address of the gateway.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// The key.
    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// A request with the key.
    ///
    /// # Errors
    /// [`ApiError::Unauthorized`] for a key that no request can carry.
    pub(crate) fn request(&self, method: Method, url: Url) -> Result<RequestBuilder, ApiError> {
        let mut key = HeaderValue::from_str(&self.key.header())
            .map_err(|_| ApiError::Unauthorized { server: self.server.to_string() })?;
        key.set_sensitive(true);
        Ok(self.http.request(method, url).header(AUTHORIZATION, key))
    }

    /// Sends a request.
    ///
    /// # Errors
    /// [`ApiError::Unreachable`] when nothing answers.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, ApiError> {
        request.send().await.map_err(|error| unreachable(&self.server, &error))
    }

    /// The body of a response of at most `most` bytes.
    ///
    /// # Errors
    /// [`ApiError`] when it does not arrive, or is longer.
    pub(crate) async fn body(&self, mut response: Response, most: usize) -> Result<Vec<u8>, ApiError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&self.server, &error))? {
            if body.len() + chunk.len() > most {
                return Err(unreadable(&self.server, "it is too long"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// Whether a gateway answers at all.
///
/// # Errors
/// [`ApiError::Unreachable`] when none does.
async fn probe(server: &Server) -> Result<(), ApiError> {
    client(server)?.get(server.path(&["health"])).send().await.map(|_| ()).map_err(|error| unreachable(server, &error))
}

fn client(server: &Server) -> Result<Client, ApiError> {
    // An error means that a provider is there already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    if !server.is_encrypted() {
        // A machine without any certificates must do for this.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| unreadable(server, &error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[tokio::test]
    async fn a_silent_address_is_no_gateway() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let server = Server::parse(&format!("http://{free}")).unwrap();
        let error = probe(&server).await.unwrap_err();
        assert_eq!(error.exit(), Exit::Unreachable);
        assert!(error.is_passing());
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("No gateway answers at http://{free}. Start one with `portway serve`")),
            "{text}"
        );
    }
}
