//! A server as a process of its own, and what it uses.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::client::Request;
use crate::failure::Failure;

/// How long a server may take to answer its first request, and to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Clock ticks in which the kernel tells processor time, the same on every Linux machine.
const TICKS_PER_SECOND: f64 = 100.0;

/// What to start.
pub(crate) struct Program {
    /// What it is called in messages.
    pub(crate) name: &'static str,
    /// Makes the command that listens on an address. Nothing of the shell that started the benchmarks reaches it.
    pub(crate) command: Box<dyn Fn(SocketAddr) -> Command>,
    /// Where its output goes.
    pub(crate) log: PathBuf,
    /// The request that it answers with 200 once it works.
    pub(crate) first: Request,
}

/// A running server; it ends when it is dropped.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    /// From the start of the process to the end of the head of its first answer.
    pub(crate) started_in: Duration,
    child: Child,
}

impl Program {
    /// Starts it on a free port of the loopback interface and waits for its first answer.
    pub(crate) fn start(&self) -> Result<Server, Failure> {
        let address = free_address()?;
        let log = File::create(&self.log).map_err(Failure::file(&self.log))?;
        let errors = log.try_clone().map_err(Failure::file(&self.log))?;
        let request = self.first.bytes(address);
        let mut command = (self.command)(address);
        let begin = Instant::now();
        let child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(Failure::io(format!("starting {}", self.name)))?;
        let mut server = Server { name: self.name, address, started_in: Duration::ZERO, child };
        while !answers(address, &request) {
            let ended = server.child.try_wait().map_err(Failure::io("waiting for a process"))?;
            if ended.is_some() || begin.elapsed() > PATIENCE {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                return Err(Failure::Server(format!("{} does not start:\n{log}", self.name)));
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        server.started_in = begin.elapsed();
        Ok(server)
    }
}

fn free_address() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Failure::io("looking for a free port"))?;
    listener.local_addr().map_err(Failure::io("looking for a free port"))
}

/// Whether a request is answered with 200.
fn answers(address: SocketAddr, request: &[u8]) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request)?;
        let mut start = [0; 12];
        stream.read_exact(&mut start)?;
        Ok(start.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
}

impl Server {
    /// Processor time that it has used so far, user and system, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Result<f64, Failure> {
        let text = self.proc("stat")?;
        ticks(&text).map(|ticks| ticks / TICKS_PER_SECOND).ok_or_else(|| self.unreadable("stat"))
    }

    /// Memory of it that is in main memory now, in bytes.
    pub(crate) fn resident_bytes(&self) -> Result<f64, Failure> {
        self.status_bytes("VmRSS:")
    }

    fn status_bytes(&self, name: &str) -> Result<f64, Failure> {
        let text = self.proc("status")?;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        kib.map(|kib| kib * 1024.0).ok_or_else(|| self.unreadable("status"))
    }

    fn proc(&self, file: &str) -> Result<String, Failure> {
        let path = Path::new("/proc").join(self.child.id().to_string()).join(file);
        fs::read_to_string(&path).map_err(Failure::file(&path))
    }

    fn unreadable(&self, file: &str) -> Failure {
        Failure::Server(format!("/proc/<pid>/{file} of {} has an unexpected form", self.name))
    }

    /// Tells it to end and waits until it has.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        let pid = i32::try_from(self.child.id()).map(Pid::from_raw);
        if let Ok(pid) = pid {
            let _ = kill(pid, Signal::SIGTERM);
        }
        let begin = Instant::now();
        while self.child.try_wait().map_err(Failure::io("waiting for a process"))?.is_none() {
            if begin.elapsed() > PATIENCE {
                return Err(Failure::Server(format!("{} does not end", self.name)));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// User and system time in `/proc/<pid>/stat`. The name of the program stands in brackets and may hold anything.
fn ticks(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let number = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some(number(11)? + number(12)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_any_name() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 100 0 0 0 12 30 0 0 20 0 3 0 100 1000 10 18446744073709551615";
        assert_eq!(ticks(stat), Some(42.0));
        assert_eq!(ticks("7 (a) S 1"), None);
    }
}
