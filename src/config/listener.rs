//! Listeners: `name://host:port`.

/// An address that clients connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its name, in capitals as Kafka keeps it.
    pub name: String,
    /// Name or address of the host, without the brackets of IPv6. Empty: every interface (listening), or this machine's
    /// own host name (advertised).
    pub host: String,
    /// The port; 0 lets the system choose one (listening), or is the one it chose (advertised).
    pub port: u16,
}

impl Listener {
    /// Parses one entry of `listeners` or `advertised.listeners`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no listener; the form is name://host:port, for example PLAINTEXT://127.0.0.1:9092");
        let (name, address) = text.split_once("://").ok_or_else(wrong)?;
        let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
        let name = name.trim();
        if name.is_empty()
            || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        {
            return Err(wrong());
        }
        let host = match host.strip_prefix('[') {
            Some(inside) => inside.strip_suffix(']').ok_or_else(wrong)?,
            None if host.contains(':') => return Err(format!("{text:?}: an IPv6 address must stand in brackets")),
            None => host,
        };
        let port = port.parse().map_err(|_| format!("{text:?}: the port must be a number from 0 to 65535"))?;
        Ok(Self { name: name.to_ascii_uppercase(), host: host.to_owned(), port })
    }

    /// True if it is an address of no particular interface, which nobody can connect to from elsewhere.
    pub fn is_unspecified(&self) -> bool {
        self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_unspecified())
    }
}

impl std::fmt::Display for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, host, port } = self;
        if host.contains(':') { write!(f, "{name}://[{host}]:{port}") } else { write!(f, "{name}://{host}:{port}") }
    }
}
