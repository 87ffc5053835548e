//! A log in a bucket of a real server.

#[cfg(test)]
mod server;
