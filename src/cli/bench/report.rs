//! `corelog bench report`: a result as text and page, or two held against each other.

use std::path::PathBuf;

use clap::Args;

use crate::load::{contrast::Contrast, document::Document, page};

use super::{Failure, Results, say};

#[derive(Args, Debug)]
pub(in crate::cli) struct ReportArgs {
    /// A result that was written with --json.
    #[arg(value_name = "A.json")]
    first: PathBuf,
    /// Another one: what changed from the first to it, with 95 % confidence intervals.
    #[arg(value_name = "B.json")]
    second: Option<PathBuf>,
    #[command(flatten)]
    results: Results,
}

pub(super) fn run(args: &ReportArgs) -> Result<(), Failure> {
    let first = Document::read(&args.first).map_err(Failure::Usage)?;
    let Some(path) = &args.second else { return args.results.publish(&first) };
    let second = Document::read(path).map_err(Failure::Usage)?;
    if args.results.json.is_some() {
        return Err(Failure::Usage("two results make text and a page, no JSON".to_owned()));
    }
    let names = [&args.first, path].map(|path| path.display().to_string());
    let contrast = Contrast::of(names, [&first, &second]).map_err(Failure::Usage)?;
    say(&contrast.table())?;
    args.results.write_html(&page::contrast(&contrast))
}
