//! What `corelog bench` writes as JSON and reads again: any of its results, named by kind.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{compare::Comparison, report::{RunReport, SCHEMA_VERSION}, search::SearchReport};

/// A result.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Document {
    /// Of `corelog bench run`.
    Run(Box<RunReport>),
    /// Of `corelog bench compare` and of one scenario.
    Comparison(Box<Comparison>),
    /// Of `corelog bench search`.
    Search(Box<SearchReport>),
    /// Of several scenarios.
    Set(Set),
}

/// Several results.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Set {
    /// As in [`RunReport`].
    pub schema_version: u32,
    /// In the order in which they were made.
    pub parts: Vec<Document>,
}

impl Document {
    /// Several results as one; a single one stays what it is.
    pub fn set(mut parts: Vec<Self>) -> Self {
        match parts.pop() {
            Some(only) if parts.is_empty() => only,
            last => {
                parts.extend(last);
                Self::Set(Set { schema_version: SCHEMA_VERSION, parts })
            }
        }
    }

    /// Reads a file that [`Document::write`] wrote.
    ///
    /// # Errors
    /// In words, with the file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| named(&error))?;
        #[derive(Deserialize)]
        struct Version {
            schema_version: u32,
        }
        let version: Version = serde_json::from_str(&text).map_err(|error| named(&format!("no result of corelog bench: {error}")))?;
        if version.schema_version != SCHEMA_VERSION {
            let found = version.schema_version;
            return Err(named(&format!("results of version {found}; this program reads version {SCHEMA_VERSION}")));
        }
        serde_json::from_str(&text).map_err(|error| named(&error))
    }

    /// Writes the result.
    ///
    /// # Errors
    /// In words, with the file.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = serde_json::to_string_pretty(self).map_err(|error| named(&error))?;
        std::fs::write(path, text).map_err(|error| named(&error))
    }

    /// As text for a terminal.
    pub fn table(&self) -> String {
        match self {
            Self::Run(run) => super::table::table(run),
            Self::Comparison(comparison) => comparison.table(),
            Self::Search(search) => search.table(),
            Self::Set(set) => set.parts.iter().map(Self::table).collect::<Vec<_>>().join("\n"),
        }
    }

    /// What makes it worthless, in words.
    pub fn faults(&self) -> Vec<String> {
        match self {
            Self::Run(run) => run.faults(),
            Self::Comparison(comparison) => comparison.faults(),
            Self::Search(search) => search.faults(),
            Self::Set(set) => set.parts.iter().flat_map(Self::faults).collect(),
        }
    }

    /// The runs that bounds are held against: of the first contestant.
    pub fn runs(&self) -> Vec<&RunReport> {
        match self {
            Self::Run(run) => vec![run],
            Self::Comparison(comparison) => comparison.of_first().collect(),
            Self::Search(search) => search.best.iter().map(AsRef::as_ref).collect(),
            Self::Set(set) => set.parts.iter().flat_map(Self::runs).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_read_as_what_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.json");
        let run = || Document::Run(Box::new(RunReport::blank()));
        Document::set(vec![run(), run()]).write(&path).unwrap();
        let Document::Set(set) = Document::read(&path).unwrap() else { panic!("a set") };
        assert_eq!(set.parts.len(), 2);
        assert!(matches!(Document::set(vec![run()]), Document::Run(_)));
        std::fs::write(&path, "{\"schema_version\": 1}").unwrap();
        assert!(Document::read(&path).unwrap_err().contains("version 1"));
        std::fs::write(&path, "{}").unwrap();
        assert!(Document::read(&path).unwrap_err().contains("no result of corelog bench"));
    }
}
