//! `meta.properties`: to which cluster and node a log directory belongs, and its own id.
//!
//! Pure text: reading and writing the file is done by `open.rs`. The format is that of Java properties.

use std::fmt::Write;

use crate::types::{NodeId, Uuid};

/// Name of the file in every log directory.
pub(crate) const FILE_NAME: &str = "meta.properties";
/// Version that KRaft nodes write.
const VERSION: &str = "1";

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    /// `cluster.id`: usually a base64 uuid, but any text is legal.
    pub cluster_id: String,
    /// `node.id`.
    pub node_id: NodeId,
    /// `directory.id`; absent in directories from before Kafka 3.7.
    pub directory_id: Option<Uuid>,
}

impl MetaProperties {
    /// Reads the file's text.
    ///
    /// # Errors
    /// What is missing or wrong, in words for the operator.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut version = None;
        let mut cluster_id = None;
        let mut node_id = None;
        let mut directory_id = None;
        for line in text.lines() {
            let Some((key, value)) = entry(line) else { continue };
            match key.as_str() {
                "version" => version = Some(value),
                "cluster.id" => cluster_id = Some(value),
                "node.id" => node_id = Some(value),
                "directory.id" => directory_id = Some(value),
                _ => {}
            }
        }
        match version.as_deref() {
            Some(VERSION) => {}
            Some("0") => return Err("has version 0: the directory belongs to a ZooKeeper broker; migrate it with Kafka 3.9 first".into()),
            Some(other) => return Err(format!("has version {other}; only version {VERSION} is known")),
            None => return Err("has no version".into()),
        }
        let cluster_id = cluster_id.filter(|id| !id.is_empty()).ok_or("has no cluster.id")?;
        let node_id = node_id.ok_or("has no node.id")?;
        let node_id = match node_id.parse() {
            Ok(id) if id >= 0 => NodeId(id),
            _ => return Err(format!("has node.id={node_id}, which is no node id")),
        };
        let directory_id = match directory_id {
            None => None,
            Some(text) => match Uuid::parse(&text) {
                Some(id) if !id.is_reserved() => Some(id),
                _ => return Err(format!("has directory.id={text}, which is no directory id")),
            },
        };
        Ok(Self { cluster_id, node_id, directory_id })
    }

    /// The file's text.
    pub fn print(&self) -> String {
        let mut text = String::from("#\n");
        // Writing to a String cannot fail.
        let _ = writeln!(text, "cluster.id={}", escaped(&self.cluster_id));
        if let Some(id) = self.directory_id {
            let _ = writeln!(text, "directory.id={id}");
        }
        let _ = writeln!(text, "node.id={}", self.node_id);
        let _ = writeln!(text, "version={VERSION}");
        text
    }
}

/// Splits a line of a properties file into key and value; `None` for blanks and comments.
fn entry(line: &str) -> Option<(String, String)> {
    let line = line.trim_start();
    if line.is_empty() || line.starts_with(['#', '!']) {
        return None;
    }
    let mut key = String::new();
    let mut rest = line.chars();
    while let Some(character) = rest.next() {
        match character {
            '\\' => key.extend(unescaped(&mut rest)),
            '=' | ':' => break,
            blank if blank.is_whitespace() => {
                let after = rest.as_str().trim_start();
                rest = after.strip_prefix(['=', ':']).unwrap_or(after).chars();
                break;
            }
            other => key.push(other),
        }
    }
    let mut rest = rest.as_str().trim_start().chars();
    let mut value = String::new();
    while let Some(character) = rest.next() {
        match character {
            '\\' => value.extend(unescaped(&mut rest)),
            other => value.push(other),
        }
    }
    Some((key, value))
}

/// The character that a backslash and what follows it stand for.
fn unescaped(rest: &mut std::str::Chars<'_>) -> Option<char> {
    match rest.next()? {
        't' => Some('\t'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        'f' => Some('\u{c}'),
        'u' => {
            let digits: String = rest.by_ref().take(4).collect();
            u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32)
        }
        other => Some(other),
    }
}

/// A value as Java's Properties.store would write it.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '\\' | '=' | ':' | '#' | '!' => {
                text.push('\\');
                text.push(character);
            }
            ' ' if text.is_empty() => text.push_str("\\ "),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const KAFKAS: &str = "#\n#Fri Nov 21 09:37:02 UTC 2026\ncluster.id=swexiHviSXuj49zqWgUsUg\ndirectory.id=ooMwfvBoxIoCQ4fTrWgzEg\nnode.id=1\nversion=1\n";

    #[test]
    fn kafkas_file_is_read() {
        let properties = MetaProperties::parse(KAFKAS).unwrap();
        assert_eq!(properties.cluster_id, "swexiHviSXuj49zqWgUsUg");
        assert_eq!(properties.node_id, NodeId(1));
        assert_eq!(properties.directory_id, Uuid::parse("ooMwfvBoxIoCQ4fTrWgzEg"));
    }

    #[test]
    fn what_is_written_is_read_back() {
        for cluster_id in ["swexiHviSXuj49zqWgUsUg", "my cluster: #1 = best\\!", " leading"] {
            let properties = MetaProperties { cluster_id: cluster_id.into(), node_id: NodeId(7), directory_id: Some(Uuid([9; 16])) };
            assert_eq!(MetaProperties::parse(&properties.print()), Ok(properties));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, word) in [
            ("", "no version"),
            ("version=0\nbroker.id=1\n", "ZooKeeper"),
            ("version=1\nnode.id=1\n", "cluster.id"),
            ("version=1\ncluster.id=a\nnode.id=-3\n", "node.id=-3"),
            ("version=1\ncluster.id=a\nnode.id=1\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAQ\n", "directory.id"),
            ("version = 1\ncluster.id : a\n node.id\t1 x\n", "node.id=1 x"),
        ] {
            let message = MetaProperties::parse(text).unwrap_err();
            assert!(message.contains(word), "{message}");
        }
    }
}
