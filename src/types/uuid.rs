//! 128-bit ids in Kafka's text form: 22 characters of unpadded, URL-safe base64 (Uuid.java).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// A topic id, directory id, incarnation id or cluster id. All zero means "absent" on the wire.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// All zero: "absent" on the wire; as a directory, "migrating".
    pub const ZERO: Uuid = Uuid([0; 16]);
    /// The id of the topic `__cluster_metadata`; as a directory, "unassigned".
    pub const ONE: Uuid = Uuid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

    /// A random id (version 4) whose text does not start with '-', as Kafka's own, so that tools don't take it for a flag.
    ///
    /// # Errors
    /// The operating system's random source failed.
    pub fn random() -> std::io::Result<Self> {
        loop {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
            bytes[6] = (bytes[6] & 0x0f) | 0x40;
            bytes[8] = (bytes[8] & 0x3f) | 0x80;
            let id = Self(bytes);
            if !id.is_reserved() && !id.to_string().starts_with('-') {
                return Ok(id);
            }
        }
    }

    /// True for the absent id.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// True for the first 100 ids, which Kafka reserves (DirectoryId.java).
    pub fn is_reserved(self) -> bool {
        self.0[..15].iter().all(|byte| *byte == 0) && self.0[15] < 100
    }

    /// Reads the text form; `None` unless it is exactly 16 bytes of base64.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }
}

impl std::fmt::Display for Uuid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl std::fmt::Debug for Uuid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Uuid;

    #[test]
    fn text_form_is_kafkas() {
        assert_eq!(Uuid::ONE.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        let id = Uuid::random().unwrap();
        assert_eq!(Uuid::parse(&id.to_string()), Some(id));
        assert_eq!(Uuid::parse("short"), None);
        assert!(Uuid::ONE.is_reserved() && !id.is_reserved());
    }
}
