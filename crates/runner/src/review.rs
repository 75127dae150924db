//! A review of changes: what the agent is asked, and what is read out of its answer.

use std::collections::HashSet;
use std::fmt::Write;

use portway_protocol::requests::{DiffData, FileDiff, Finding, Review, ReviewStats, ReviewedFile, Severity};

use crate::tools::clip;

/// Most changes that the agent is shown, in bytes.
const MAX_SHOWN: usize = 256 * 1024;

/// Most findings of one file that are kept, and bytes of each of their texts.
const MAX_FINDINGS: usize = 100;
const MAX_TEXT: usize = 8 * 1024;

/// What the question begins with.
pub(crate) const ASKED: &str = "Review the changes below as a careful senior engineer: correctness first, then security, then clarity. \
Use no tools and change nothing. Answer with one JSON object and nothing else, of this shape:\n\
{\"overallSummary\": TEXT, \"files\": [{\"path\": TEXT, \"summary\": TEXT, \"reviewOrder\": NUMBER, \"findings\": \
[{\"file\": TEXT, \"lineStart\": NUMBER, \"lineEnd\": NUMBER, \"severity\": \"critical\"|\"warning\"|\"suggestion\"|\"nitpick\", \
\"category\": TEXT, \"title\": TEXT, \"description\": TEXT, \"suggestedFix\": TEXT or absent}]}]}\n\
Name every file; one without findings has an empty list. reviewOrder counts from 1, the file to read first has 1. \
Lines are those of the new file.\n\nThe changes:\n\n";

/// What the agent is asked.
pub(crate) fn question(of: &DiffData) -> String {
    let mut text = ASKED.to_owned();
    let end = text.len() + MAX_SHOWN;
    for file in &of.files {
        match file.diff.as_deref().filter(|diff| text.len() + diff.len() <= end) {
            Some(diff) => text.push_str(diff),
            // Writing to a text does not fail.
            None => drop(writeln!(text, "({}: {:?}, not shown)", file.path, file.status)),
        }
    }
    text
}

/// The review in an answer: an object alone, in a fenced block, or with prose around it. It names every file that
/// changed, once, and nothing else.
pub(crate) fn read(answer: &str, of: &DiffData) -> Option<Review> {
    let (begin, end) = (answer.find('{')?, answer.rfind('}')?);
    let review: Review = serde_json::from_str(answer.get(begin..=end)?).ok()?;
    Some(completed(review, of))
}

fn completed(review: Review, of: &DiffData) -> Review {
    let mut said = review.files;
    said.sort_by_key(|file| if file.review_order == 0 { u32::MAX } else { file.review_order });
    let mut named = HashSet::new();
    said.retain(|file| of.files.iter().any(|changed| changed.path == file.path) && named.insert(file.path.clone()));
    for changed in of.files.iter().filter(|changed| !named.contains(&changed.path)) {
        said.push(ReviewedFile { path: changed.path.clone(), ..ReviewedFile::default() });
    }
    let mut stats = ReviewStats::default();
    for (file, order) in said.iter_mut().zip(1..) {
        file.review_order = order;
        file.summary = clip(std::mem::take(&mut file.summary), MAX_TEXT);
        let changed = of.files.iter().find(|changed| changed.path == file.path);
        (file.lines_added, file.lines_deleted) = changed.map(lines).unwrap_or_default();
        file.findings.truncate(MAX_FINDINGS);
        for (finding, number) in file.findings.iter_mut().zip(1..) {
            complete(finding, &file.path, format!("{order}.{number}"));
            count(&mut stats, finding.severity);
        }
    }
    Review { files: said, overall_summary: clip(review.overall_summary, MAX_TEXT), stats }
}

fn complete(finding: &mut Finding, file: &str, id: String) {
    finding.id = id;
    file.clone_into(&mut finding.file);
    finding.line_end = finding.line_end.max(finding.line_start);
    for text in [&mut finding.category, &mut finding.title, &mut finding.description] {
        *text = clip(std::mem::take(text), MAX_TEXT);
    }
    finding.suggested_fix = finding.suggested_fix.take().map(|fix| clip(fix, MAX_TEXT));
}

fn count(stats: &mut ReviewStats, severity: Severity) {
    let count = match severity {
        Severity::Critical => &mut stats.critical,
        Severity::Warning => &mut stats.warning,
        Severity::Suggestion => &mut stats.suggestion,
        Severity::Nitpick => &mut stats.nitpick,
    };
    *count = count.saturating_add(1);
}

/// How many lines of a file are new, and how many are gone.
fn lines(file: &FileDiff) -> (u64, u64) {
    let hunks = file.diff.iter().flat_map(|diff| diff.lines().skip_while(|line| !line.starts_with("@@")));
    hunks.fold((0, 0), |(added, gone), line| match line.as_bytes().first() {
        Some(b'+') => (added + 1, gone),
        Some(b'-') => (added, gone + 1),
        _ => (added, gone),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use portway_protocol::workspaces::FileStatus;

    fn changes() -> DiffData {
        let file = |path: &str, diff: &str| FileDiff {
            path: path.to_owned(),
            status: FileStatus::Modified,
            diff: Some(diff.to_owned()),
            truncated: false,
        };
        let diff = "--- a/a.rs\n+++ b/a.rs\n@@ -1,2 +1,3 @@\n same\n-old\n+new\n+--more\n";
        DiffData { files: vec![file("a.rs", diff), file("b.rs", "")], omitted_files: 0 }
    }

    #[test]
    fn a_review_is_found_in_what_is_said_around_it() {
        let object = r#"{"overallSummary": "fine", "files": [{"path": "a.rs", "findings": [
            {"severity": "critical", "title": "no", "lineStart": 3, "file": "other.rs"}, {"severity": "odd"}]},
            {"path": "a.rs"}, {"path": "made up"}]}"#;
        for text in [object.to_owned(), format!("Here:\n```json\n{object}\n```\nBye")] {
            let review = read(&text, &changes()).unwrap();
            let files: Vec<_> = review.files.iter().map(|file| (file.path.as_str(), file.review_order)).collect();
            assert_eq!(files, [("a.rs", 1), ("b.rs", 2)]);
            assert_eq!((review.files[0].lines_added, review.files[0].lines_deleted), (2, 1));
            let finding = &review.files[0].findings[0];
            assert_eq!((finding.id.as_str(), finding.file.as_str(), finding.line_end), ("1.1", "a.rs", 3));
            assert_eq!((review.stats.critical, review.stats.suggestion), (1, 1));
        }
    }

    #[test]
    fn what_is_no_review_is_none() {
        for text in ["", "Looks good!", "{", "}{", "{\"files\": 3}"] {
            assert_eq!(read(text, &changes()), None, "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_bounded() {
        let mut large = changes();
        large.files[0].diff = Some("x".repeat(MAX_SHOWN + 1));
        let text = question(&large);
        assert!(text.len() < ASKED.len() + 1_000 && text.contains("a.rs: Modified, not shown"));
    }
}
