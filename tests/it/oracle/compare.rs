//! Two transcripts side by side.

use std::collections::BTreeMap;

use super::{
    differences::Difference,
    transcript::{Entry, Outcome},
};

/// Fails with the list of differences that are not intended, and of intended ones that do not occur.
pub(super) fn report(expected: &[Entry], got: &[Entry], intended: &[Difference]) {
    let questions = |entries: &[Entry]| entries.iter().map(|entry| entry.question.clone()).collect::<Vec<_>>();
    assert_eq!(questions(expected), questions(got), "both sides were asked the same");
    let mut seen = vec![false; intended.len()];
    let (mut unlisted, mut fields, mut listed) = (Vec::new(), 0, 0);
    for (expected, got) in expected.iter().zip(got) {
        let (left, right) = (lines(&expected.outcome), lines(&got.outcome));
        let mut paths: Vec<&String> = left.keys().chain(right.keys()).collect();
        paths.sort_unstable();
        paths.dedup();
        for path in paths {
            fields += 1;
            let [a, b] = [&left, &right].map(|side| side.get(path).map_or("(absent)", String::as_str));
            if a == b {
                continue;
            }
            let matching: Vec<usize> = (0..intended.len()).filter(|at| intended[*at].covers(&expected.question, path, a, b)).collect();
            if matching.is_empty() {
                unlisted.push(format!("{} / {path}\n    kafka   {a}\n    corelog {b}", expected.question));
            } else {
                listed += 1;
                matching.iter().for_each(|at| seen[*at] = true);
            }
        }
    }
    eprintln!("{} questions, {fields} fields, {listed} intended differences", expected.len());
    let gone: Vec<String> =
        intended.iter().zip(&seen).filter(|(_, seen)| !**seen).map(|(difference, _)| format!("{difference:?}")).collect();
    assert!(
        unlisted.is_empty() && gone.is_empty(),
        "{} unlisted differences:\n{}\n{} listed differences that do not occur:\n{}",
        unlisted.len(),
        unlisted.join("\n"),
        gone.len(),
        gone.join("\n")
    );
}

/// An outcome as lines; one without an answer is a single line.
fn lines(outcome: &Outcome) -> BTreeMap<String, String> {
    let single = |text: &str| BTreeMap::from([("outcome".to_owned(), text.to_owned())]);
    match outcome {
        Outcome::Lines(lines) => {
            let mut lines = lines.clone();
            lines.insert("outcome".to_owned(), "answer".to_owned());
            lines
        }
        Outcome::Closed => single("connection closed"),
        Outcome::Silent => single("silence"),
        Outcome::Malformed(text) => single(&format!("malformed: {text}")),
    }
}
