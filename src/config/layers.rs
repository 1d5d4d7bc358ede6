//! The static layers: what a properties file and the command line set, and from which line it comes.

use std::{collections::BTreeMap, sync::Arc};

use super::{Key, Standing, keys, properties};

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// On a line of a file.
    File {
        /// The file, as it was named.
        path: Arc<str>,
        /// The line, from 1.
        line: usize,
    },
    /// On the command line (`--override`).
    Override,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Override => f.write_str("--override"),
        }
    }
}

/// A value that was set, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The text.
    pub value: String,
    /// Where it was set.
    pub origin: Origin,
}

/// Something to tell the operator that is no reason not to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The key that it is about.
    pub key: String,
    /// What to tell.
    pub text: String,
}

/// A reason not to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where the value was set; absent for a default or a combination.
    pub origin: Option<Origin>,
    /// `key` or `key = value`; passwords are not shown.
    pub what: String,
    /// What is wrong, and what is allowed.
    pub text: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        write!(f, "{}: {}", self.what, self.text)
    }
}

/// All that is wrong with a configuration, so that it can be put right in one go.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<Problem>,
}

/// What was set, over the defaults of the tables.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    settings: BTreeMap<String, Setting>,
    notices: Vec<Notice>,
    problems: Vec<Problem>,
}

impl Layers {
    /// Nothing set: every key has its default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what the text of a properties file sets; `path` is for messages. A key set twice keeps the later value, as
    /// in Java.
    pub fn add_file(&mut self, path: &str, text: &str) {
        let path: Arc<str> = Arc::from(path);
        let found = match properties::parse(text) {
            Ok(found) => found,
            Err(error) => {
                let origin = Origin::File { path, line: error.line };
                self.problems.push(Problem {
                    origin: Some(origin),
                    what: "malformed line".to_owned(),
                    text: error.problem.to_owned(),
                });
                return;
            }
        };
        for property in found {
            self.set(&property.key, property.value, Origin::File { path: Arc::clone(&path), line: property.line });
        }
    }

    /// Adds a `key=value` of the command line, over all files.
    pub fn add_override(&mut self, assignment: &str) {
        match assignment.split_once('=') {
            Some((key, value)) => self.set(key.trim(), value.trim().to_owned(), Origin::Override),
            None => self.problems.push(Problem {
                origin: Some(Origin::Override),
                what: assignment.to_owned(),
                text: "must have the form key=value".to_owned(),
            }),
        }
    }

    /// What was set for a key, by file or command line.
    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.settings.get(name)
    }

    /// Everything that was set, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.settings.iter().map(|(name, setting)| (name.as_str(), setting))
    }

    fn set(&mut self, name: &str, value: String, origin: Origin) {
        let Some(key) = keys::broker(name) else {
            self.problems.push(Problem { origin: Some(origin), what: name.to_owned(), text: unknown(name) });
            return;
        };
        if let Some(earlier) = self.settings.get(name).filter(|earlier| is_same_file(&earlier.origin, &origin)) {
            let text = format!("is set at {} and again at {origin}; the later one counts", earlier.origin);
            self.notices.push(Notice { key: name.to_owned(), text });
        }
        match key.accept(&value) {
            Ok(parsed) => {
                if let Standing::NoEffect(reason) = key.standing
                    && key.default_value().as_ref() != Some(&parsed)
                {
                    self.notices.push(Notice { key: name.to_owned(), text: format!("has no effect: {reason}") });
                }
                self.settings.insert(name.to_owned(), Setting { value: value.trim().to_owned(), origin });
            }
            Err(text) => self.problems.push(Problem { origin: Some(origin), what: shown(key, &value), text }),
        }
    }

    /// A problem with the value that `name` has, wherever it comes from.
    pub(super) fn problem(&mut self, name: &str, text: impl Into<String>) {
        let setting = self.settings.get(name);
        let what = match (setting, keys::broker(name)) {
            (Some(setting), Some(key)) => shown(key, &setting.value),
            (None, Some(key)) => shown(key, key.default.unwrap_or("(unset)")),
            (_, None) => name.to_owned(),
        };
        let origin = setting.map(|setting| setting.origin.clone());
        self.problems.push(Problem { origin, what, text: text.into() });
    }

    pub(super) fn notice(&mut self, name: &str, text: impl Into<String>) {
        self.notices.push(Notice { key: name.to_owned(), text: text.into() });
    }

    /// What there is to tell the operator, or what is wrong.
    pub(super) fn finish(&mut self) -> Result<Vec<Notice>, ConfigError> {
        if self.problems.is_empty() {
            return Ok(std::mem::take(&mut self.notices));
        }
        Err(ConfigError { problems: std::mem::take(&mut self.problems) })
    }
}

fn is_same_file(earlier: &Origin, later: &Origin) -> bool {
    match (earlier, later) {
        (Origin::File { path: earlier, .. }, Origin::File { path: later, .. }) => earlier == later,
        (Origin::Override, Origin::Override) => true,
        _ => false,
    }
}

fn shown(key: &Key, value: &str) -> String {
    if key.is_sensitive() { key.name.to_owned() } else { format!("{} = {value}", key.name) }
}

fn unknown(name: &str) -> String {
    if let Some(reason) = keys::gone(name) {
        return reason.to_owned();
    }
    if name.starts_with("listener.name.") {
        return "settings of single listeners are for TLS and SASL, which are not supported yet".to_owned();
    }
    if keys::topic(name).is_some() {
        let broker = keys::topic(name).and_then(|row| row.synonyms.first()).map(|synonym| synonym.name);
        return match broker {
            Some(broker) => format!("is a topic config; its default for all topics is {broker}"),
            None => "is a topic config and has no default for all topics".to_owned(),
        };
    }
    match keys::nearest_broker(name) {
        Some(nearest) => format!("unknown key; did you mean {nearest}?"),
        None => "unknown key; `corelog config list` shows all".to_owned(),
    }
}
