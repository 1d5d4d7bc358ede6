//! Two transcripts side by side.

use super::{differences::Difference, transcript::Entry};

/// Fails with the list of differences that are not intended, and of intended ones that do not occur.
pub(super) fn report(expected: &[Entry], got: &[Entry], intended: &[&Difference]) {
    let questions = |entries: &[Entry]| entries.iter().map(|entry| entry.question.clone()).collect::<Vec<_>>();
    assert_eq!(questions(expected), questions(got), "both sides were asked the same");
    let mut seen = vec![false; intended.len()];
    let (mut unlisted, mut fields, mut listed) = (Vec::new(), 0, 0);
    for (expected, got) in expected.iter().zip(got) {
        fields += expected.outcome.differences(&got.outcome, &mut |path, kafka, corelog| {
            let matching: Vec<usize> =
                (0..intended.len()).filter(|at| intended[*at].covers(&expected.question, path, kafka, corelog)).collect();
            if matching.is_empty() {
                unlisted.push(format!("{} / {path}\n    kafka   {kafka}\n    corelog {corelog}", expected.question));
            } else {
                listed += 1;
                matching.iter().for_each(|at| seen[*at] = true);
            }
        });
    }
    eprintln!("{} questions, {fields} values, {listed} differ as intended, {} do not", expected.len(), unlisted.len());
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
