//! `corelog bench targets`: what came of the targets of comparisons that were kept as JSON, as one table in Markdown. Reads
//! files and measures nothing.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::load::{compare::Comparison, document::Document};

use super::{Failure, say};

#[derive(Args, Debug)]
pub(in crate::cli) struct TargetsArgs {
    /// Results of `corelog bench compare`. One that is not there counts as missed: its comparison failed.
    #[arg(required = true, value_name = "FILE.json")]
    files: Vec<PathBuf>,
}

pub(super) fn run(args: &TargetsArgs) -> Result<(), Failure> {
    let mut table = "| load | target | measured | ceiling | |\n|---|---|---|---|---|\n".to_owned();
    let mut missed = 0;
    for file in &args.files {
        match Document::read(file) {
            Ok(document) => rows(&document, &mut table, &mut missed),
            Err(error) => {
                table.push_str(&format!("| {} | all | no result: {} | | **missed** |\n", stem(file), cell(&error)));
                missed += 1;
            }
        }
    }
    say(&table)?;
    if missed == 0 { Ok(()) } else { Err(Failure::Failed(format!("{missed} targets were missed"))) }
}

fn rows(document: &Document, table: &mut String, missed: &mut usize) {
    match document {
        Document::Comparison(comparison) => rows_of(comparison, table, missed),
        Document::Set(set) => set.parts.iter().for_each(|part| rows(part, table, missed)),
        Document::Run(_) | Document::Search(_) => {}
    }
}

fn rows_of(comparison: &Comparison, table: &mut String, missed: &mut usize) {
    for verdict in comparison.verdicts() {
        let load = verdict.target.case.as_ref().map_or_else(|| comparison.title.clone(), |case| format!("{}: {case}", comparison.title));
        *missed += usize::from(!verdict.met);
        let held = if verdict.met { "held" } else { "**missed**" };
        let ceiling = verdict.ceiling.map(|ceiling| ceiling.words()).unwrap_or_default();
        table.push_str(&format!("| {} | {} | {} | {ceiling} | {held} |\n", cell(&load), cell(&verdict.bound()), cell(&verdict.measured)));
    }
    // Figures of a run with faults are no figures.
    for fault in comparison.faults() {
        table.push_str(&format!("| {} | no faults | {} | | **missed** |\n", cell(&comparison.title), cell(&fault)));
        *missed += 1;
    }
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Text that ends no cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "/").replace('\n', " ")
}
