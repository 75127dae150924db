//! Stands between the driver and the server: counts what is sent, and loses answers.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::scratch::Scratch;

/// How a message begins: its kind and its length.
const HEAD: usize = 5;

/// A proxy that ends with the test.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Messages of the driver, by their kind.
    seen: Mutex<BTreeMap<char, usize>>,
    /// The answer to the next message with these bytes is lost, and the connection with it.
    losing: Mutex<Option<&'static str>>,
    /// No answer gets through.
    is_silent: AtomicBool,
}

impl Proxy {
    pub(crate) async fn start(scratch: &Scratch) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let (address, known) = (scratch.address(), shared.clone());
        tokio::spawn(async move {
            while let Ok((driver, _)) = listener.accept().await {
                let server = TcpStream::connect((&*address.0, address.1)).await.unwrap();
                tokio::spawn(relay(driver, server, known.clone()));
            }
        });
        Self { port, shared }
    }

    /// How many messages of each kind the driver sent.
    pub(crate) fn seen(&self) -> BTreeMap<char, usize> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Loses the answer to the next message with these bytes, and the connection with it. The server gets the message.
    pub(crate) fn lose_answer_to(&self, text: &'static str) {
        *self.shared.losing.lock().unwrap() = Some(text);
    }

    /// Lets no answer through any more.
    pub(crate) fn fall_silent(&self) {
        self.shared.is_silent.store(true, Ordering::Relaxed);
    }
}

async fn relay(driver: TcpStream, server: TcpStream, shared: Arc<Shared>) {
    let lost = Arc::new(AtomicBool::new(false));
    let (from_driver, to_driver) = driver.into_split();
    let (from_server, to_server) = server.into_split();
    let asking = tokio::spawn(ask(from_driver, to_server, shared.clone(), lost.clone()));
    // A connection that ends is what this is about.
    let _ = answer(from_server, to_driver, shared, lost).await;
    asking.abort();
}

async fn ask(
    mut driver: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    shared: Arc<Shared>,
    lost: Arc<AtomicBool>,
) -> io::Result<()> {
    // The first message has no kind.
    let mut length = [0; 4];
    driver.read_exact(&mut length).await?;
    let mut start = vec![0; u32::from_be_bytes(length) as usize - length.len()];
    driver.read_exact(&mut start).await?;
    server.write_all(&length).await?;
    server.write_all(&start).await?;
    loop {
        let message = read(&mut driver).await?;
        *shared.seen.lock().unwrap().entry(char::from(message[0])).or_default() += 1;
        let is_wanted = |text: &&str| message.windows(text.len()).any(|part| part == text.as_bytes());
        if shared.losing.lock().unwrap().take_if(|text| is_wanted(&&**text)).is_some() {
            lost.store(true, Ordering::Relaxed);
        }
        server.write_all(&message).await?;
    }
}

async fn answer(
    mut server: OwnedReadHalf,
    mut driver: OwnedWriteHalf,
    shared: Arc<Shared>,
    lost: Arc<AtomicBool>,
) -> io::Result<()> {
    loop {
        let message = read(&mut server).await?;
        if shared.is_silent.load(Ordering::Relaxed) {
            continue;
        }
        if lost.load(Ordering::Relaxed) {
            // `Z`: the server is done with all that it was asked.
            if message[0] == b'Z' {
                return Ok(());
            }
            continue;
        }
        driver.write_all(&message).await?;
    }
}

async fn read(stream: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let mut message = vec![0; HEAD];
    stream.read_exact(&mut message).await?;
    let length = u32::from_be_bytes(message[1..].try_into().unwrap()) as usize;
    message.resize(length + 1, 0);
    stream.read_exact(&mut message[HEAD..]).await?;
    Ok(message)
}
