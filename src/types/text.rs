//! Immutable UTF-8 text that shares its memory with the frame it was read from.

use bytes::Bytes;

/// A string as a cheap, reference-counted slice; cloning never copies. Ordered and hashed like `str`.
///
/// A `Text` keeps the buffer it was cut from alive: call [`Text::detached`] before storing one for long.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Bytes);

impl Text {
    /// Text of a literal, without an allocation.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// Checks that `bytes` is UTF-8 and takes it over without a copy; gives the bytes back if it is not.
    pub fn from_utf8(bytes: Bytes) -> Result<Self, Bytes> {
        if std::str::from_utf8(&bytes).is_ok() { Ok(Self(bytes)) } else { Err(bytes) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // Invariant: every constructor checked it. The check again is cheap for names and keeps this file free of `unsafe`.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The text's bytes, without a check.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// A copy that owns its memory and no longer keeps a frame alive.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }
}

impl std::ops::Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl std::borrow::Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Bytes::from(text))
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self)
    }
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;

    use super::Text;

    #[test]
    fn a_map_is_looked_up_by_str() {
        let mut map = BTreeMap::new();
        map.insert(Text::from("orders"), 1);
        assert_eq!(map.get("orders"), Some(&1));
    }

    #[test]
    fn what_is_not_utf8_is_given_back() {
        assert_eq!(Text::from_utf8(Bytes::from_static(&[0xff])), Err(Bytes::from_static(&[0xff])));
    }
}
