//! A small server of HTTP/1.1 for `GET /metrics`, in one thread that never waits for a client alone.
//!
//! Invariants:
//! - A client has [`PATIENCE`] from its connection to the end of its answer. There are at most [`CLIENTS_MAX`] clients, and a
//!   further one takes the place of the oldest. So a client that sends nothing, or reads nothing, stops nobody.
//! - The thread ends at once when the server is dropped, whatever the clients do.

use super::exposition::CONTENT_TYPE;
use crate::ui::alert;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// How long a client may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the client may take to close its end after the answer. If the server closed first, the system could drop what the
/// client has not read yet.
const GOODBYE: Duration = Duration::from_secs(1);

/// How long no connection is taken after one could not be, for example because the process has too many open files.
const PAUSE: Duration = Duration::from_secs(1);

/// Each client is an open file of a process whose stages need some, too.
const CLIENTS_MAX: usize = 8;

/// The longest request that is read, in bytes, and its most headers.
const REQUEST_LEN_MAX: usize = 8 * 1024;
const HEADERS_MAX: usize = 64;

/// Gives the page of this moment.
pub(super) type Render = Box<dyn Fn() -> String + Send>;

/// A server. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Server {
    /// Closing this end wakes the thread.
    wake: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Takes the address.
    pub(super) fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    }

    /// Answers requests with the pages that `render` gives.
    pub(super) fn start(listener: TcpListener, render: Render) -> io::Result<Server> {
        let (wake, woken) = UnixStream::pair()?;
        let serving = Serving { listener, woken, render, clients: Vec::new(), deaf_until: None };
        let thread = Builder::new().name("evlog-metrics".into()).spawn(move || serving.serve())?;
        Ok(Server { wake: Some(wake), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // It does not panic. Even if it did, the command has ended.
            let _ended = thread.join();
        }
    }
}

struct Serving {
    listener: TcpListener,
    woken: UnixStream,
    render: Render,
    clients: Vec<Client>,
    /// No connection is taken before this time.
    deaf_until: Option<Instant>,
}

impl Serving {
    fn serve(mut self) {
        loop {
            let is_ready = match self.wait() {
                Ok(is_ready) => is_ready,
                Err(error) => return alert(&format!("warning: --metrics: the port is not served any more: {error}")),
            };
            // Every byte or hang-up on this stream asks to end.
            let [is_over, comes, clients @ ..] = is_ready.as_slice() else { return };
            if *is_over {
                return;
            }
            let now = Instant::now();
            let mut ready = clients.iter();
            self.clients.retain_mut(|client| {
                let is_ready = ready.next().copied().unwrap_or(false);
                client.until > now && (!is_ready || client.go_on(&self.render))
            });
            if *comes {
                self.accept(now);
            }
        }
    }

    /// Waits until something can be done. Says of the wake-up, the listener and each client whether it is ready.
    fn wait(&mut self) -> io::Result<Vec<bool>> {
        let now = Instant::now();
        self.deaf_until = self.deaf_until.filter(|until| *until > now);
        let listens = if self.deaf_until.is_none() { PollFlags::IN } else { PollFlags::empty() };
        let mut asked = vec![PollFd::new(&self.woken, PollFlags::IN), PollFd::new(&self.listener, listens)];
        asked.extend(self.clients.iter().map(|client| PollFd::new(&client.stream, client.waits_for())));
        let next = self.clients.iter().map(|client| client.until).chain(self.deaf_until).min();
        // Rounded up, so that the time is over after the wait.
        let limit = next.map(|next| next.saturating_duration_since(now) + Duration::from_millis(1));
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        match poll(&mut asked, limit.as_ref()) {
            Ok(_) => Ok(asked.iter().map(|asked| !asked.revents().is_empty()).collect()),
            Err(rustix::io::Errno::INTR) => Ok(vec![false; asked.len()]),
            Err(error) => Err(error.into()),
        }
    }

    fn accept(&mut self, now: Instant) {
        match self.listener.accept() {
            Ok((stream, peer)) => {
                if stream.set_nonblocking(true).is_err() {
                    return;
                }
                if self.clients.len() >= CLIENTS_MAX {
                    let oldest = self.clients.remove(0);
                    tracing::debug!(target: "metrics", peer = %oldest.peer, "a client was dropped for a newer one");
                }
                self.clients.push(Client::new(stream, peer, now + PATIENCE));
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => {
                tracing::warn!(target: "metrics", %error, "a connection could not be taken");
                self.deaf_until = Some(now + PAUSE);
            }
        }
    }
}

/// What a client is doing.
#[derive(Debug)]
enum Stage {
    /// It sends its request; this came so far.
    Asks(Vec<u8>),
    /// It receives this answer from this byte on.
    Reads(Vec<u8>, usize),
    /// It has the answer, and closes its end.
    Leaves,
}

#[derive(Debug)]
struct Client {
    stream: TcpStream,
    peer: SocketAddr,
    stage: Stage,
    until: Instant,
}

impl Client {
    fn new(stream: TcpStream, peer: SocketAddr, until: Instant) -> Client {
        Client { stream, peer, stage: Stage::Asks(Vec::new()), until }
    }

    fn waits_for(&self) -> PollFlags {
        match self.stage {
            Stage::Asks(_) | Stage::Leaves => PollFlags::IN,
            Stage::Reads(..) => PollFlags::OUT,
        }
    }

    /// Does what can be done without waiting. Returns false if the connection has ended.
    fn go_on(&mut self, render: &Render) -> bool {
        match self.step(render) {
            Ok(goes_on) => goes_on,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => true,
            Err(error) => {
                tracing::debug!(target: "metrics", peer = %self.peer, %error, "a client has gone");
                false
            }
        }
    }

    fn step(&mut self, render: &Render) -> io::Result<bool> {
        let mut piece = [0; 1024];
        match &mut self.stage {
            Stage::Asks(request) => {
                let len = self.stream.read(&mut piece)?;
                request.extend_from_slice(&piece[..len]);
                if let Some(answer) = answer(request, render) {
                    tracing::debug!(target: "metrics", peer = %self.peer, bytes = answer.len(), "a request is answered");
                    self.stage = Stage::Reads(answer, 0);
                    return self.step(render);
                }
                Ok(len > 0)
            }
            Stage::Reads(answer, sent) => {
                *sent += self.stream.write(&answer[*sent..])?;
                if *sent == answer.len() {
                    self.stream.shutdown(Shutdown::Write)?;
                    self.stage = Stage::Leaves;
                    self.until = self.until.min(Instant::now() + GOODBYE);
                }
                Ok(true)
            }
            Stage::Leaves => Ok(self.stream.read(&mut piece)? > 0),
        }
    }
}

/// The answer to a request; `None` if it is not complete yet.
fn answer(request: &[u8], render: &Render) -> Option<Vec<u8>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(request) {
        Ok(httparse::Status::Partial) if request.len() < REQUEST_LEN_MAX => return None,
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return Some(plain("431 Request Header Fields Too Large", "the request is too long\n"));
        }
        Err(_) => return Some(plain("400 Bad Request", "this is no request of HTTP/1.1\n")),
    }
    let path = parsed.path.unwrap_or_default().split('?').next().unwrap_or_default();
    Some(match (parsed.method, path) {
        (Some("GET"), "/metrics") => response("200 OK", CONTENT_TYPE, &render()),
        (Some("HEAD"), "/metrics") => without_body(response("200 OK", CONTENT_TYPE, &render())),
        (Some("GET" | "HEAD"), _) => plain("404 Not Found", "the metrics are at /metrics\n"),
        _ => plain("405 Method Not Allowed\r\nAllow: GET, HEAD", "only GET and HEAD are answered\n"),
    })
}

fn plain(status: &str, text: &str) -> Vec<u8> {
    response(status, "text/plain; charset=utf-8", text)
}

fn response(status: &str, content_type: &str, body: &str) -> Vec<u8> {
    let len = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len}\r\nCache-Control: no-store\r\n\
         Connection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

fn without_body(mut response: Vec<u8>) -> Vec<u8> {
    if let Some(end) = response.windows(4).position(|four| four == b"\r\n\r\n") {
        response.truncate(end + 4);
    }
    response
}
