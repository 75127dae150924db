//! A server that says what a test wants it to say to whoever connects.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Answers the start of each connection with one of these texts, the last one again and again. Answers the port.
pub(crate) async fn fake_server(answers: Vec<Vec<u8>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut answers = answers.into_iter().peekable();
        let mut answer = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            answer = answers.next().unwrap_or(answer);
            let mut length = [0; 4];
            stream.read_exact(&mut length).await.unwrap();
            let mut start = vec![0; u32::from_be_bytes(length) as usize - length.len()];
            stream.read_exact(&mut start).await.unwrap();
            stream.write_all(&answer).await.unwrap();
            // The end of the stream tells that the other side has read it all.
            let _ = stream.read(&mut [0; 64]).await;
        }
    });
    port
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![kind];
    message.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    message.extend_from_slice(body);
    message
}

/// The server ends the connection with an error.
pub(crate) fn fatal(state: &str, text: &str) -> Vec<u8> {
    message(b'E', format!("SFATAL\0VFATAL\0C{state}\0M{text}\0\0").as_bytes())
}

/// The server lets the user in and is ready.
pub(crate) fn welcome(version: &str) -> Vec<u8> {
    let mut all = message(b'R', &[0; 4]);
    all.extend(message(b'S', format!("server_version\0{version}\0").as_bytes()));
    all.extend(message(b'K', &[0; 8]));
    all.extend(message(b'Z', b"I"));
    all
}
