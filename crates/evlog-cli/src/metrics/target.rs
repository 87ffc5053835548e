//! What `--metrics` names: a file, or an address to listen on.
//!
//! Invariant: evlog listens where other machines can reach it only if such an address was typed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Where metrics go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    File(PathBuf),
    Address(SocketAddr),
}

const FORMS: &str = "`:9464`, which is this machine only, or an IP address with a port, such as `[::1]:9464`, or a file; a file whose \
                     name looks like an address is typed with `./`";

impl Target {
    /// The file, if it is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Target::File(path) => Some(path),
            Target::Address(_) => None,
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Target, String> {
        let wrong = || format!("expected {FORMS}, found `{text}`");
        if text.is_empty() {
            return Err(format!("expected {FORMS}, found nothing"));
        }
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let Some((host, port)) = text.rsplit_once(':').filter(|(_, port)| is_number(port)) else {
            // A port with a typing error is no file.
            let is_address = is_number(text) || text.starts_with(':');
            return if is_address { Err(wrong()) } else { Ok(Target::File(PathBuf::from(text))) };
        };
        if host.contains('/') {
            return Ok(Target::File(PathBuf::from(text)));
        }
        let ip = match host {
            "" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            host => match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
                Some(inner) => IpAddr::V6(inner.parse().map_err(|_| wrong())?),
                None => IpAddr::V4(host.parse().map_err(|_| wrong())?),
            },
        };
        let port = port.parse().map_err(|_| format!("expected a port from 0 to 65535, found `{port}`"))?;
        Ok(Target::Address(SocketAddr::new(ip, port)))
    }

    /// The same for a command that ends at once: nobody could ask it for metrics.
    pub(crate) fn parse_file(text: &str) -> Result<Target, String> {
        match Target::parse(text)? {
            Target::Address(_) => {
                Err(format!("expected a file, because this command ends before it can be asked, found `{text}`"))
            }
            file @ Target::File(_) => Ok(file),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_on_this_machine_unless_another_one_is_typed() {
        let address = |text: &str| match Target::parse(text) {
            Ok(Target::Address(address)) => address,
            other => panic!("{text}: {other:?}"),
        };
        let this = Ipv4Addr::LOCALHOST;
        assert_eq!(address(":9464"), SocketAddr::new(this.into(), 9464));
        assert_eq!(address(&format!("{this}:0")), SocketAddr::new(this.into(), 0));
        for typed in ["[::1]:0", "0.0.0.0:80", "[::]:80"] {
            assert_eq!(address(typed).to_string(), typed);
        }
    }

    #[test]
    fn everything_else_is_a_file_unless_it_looks_like_an_address_that_is_none() {
        for file in ["evlog.prom", "/var/lib/x/evlog.prom", "./9464", "./a:1", "a:b", "dir/:9464", "C:x"] {
            assert_eq!(Target::parse(file), Ok(Target::File(file.into())), "{file}");
        }
        for wrong in [
            "",
            "9464",
            "::1:9464",
            "example.com:9464",
            "[::1:9464",
            "[x]:1",
            "1.2.3:4",
            ":80x",
            ":65536",
            ":99999999999",
        ] {
            let refused = Target::parse(wrong).expect_err(wrong);
            assert!(refused.starts_with("expected "), "{wrong}: {refused}");
        }
        assert!(Target::parse_file(":9464").unwrap_err().contains("expected a file"));
        assert_eq!(Target::parse_file("x.prom"), Ok(Target::File("x.prom".into())));
    }
}
