//! What is asked of a runner on behalf of somebody who waits, and what comes of it.

use portway_tagged::tagged;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::message::is_false;
use crate::workspaces::FileStatus;

/// What is asked of a runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum RunnerRequest {
    /// The files of the workspace that differ from where the session began.
    Diff {},
    /// A review of that.
    Review {},
    /// A new conversation of the agent.
    NewSession {},
    /// A command of the agent.
    Command {
        /// Its name.
        name: String,
        /// What goes with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        args: Option<String>,
    },
    /// To go back to before a prompt, as if it and what came after it had never been said.
    Revert {
        /// The prompt.
        message_id: String,
    },
    /// The end of a tunnel. It is answered once the list of tunnels without it was sent.
    CloseTunnel {
        /// Its name.
        name: String,
    },
    /// A type that this reader does not know; it is answered with a failure.
    #[serde(other)]
    Unknown,
}

tagged!(RunnerRequest, "type");

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum RunnerResponse {
    /// These files differ.
    Diff {
        /// The changes.
        data: DiffData,
    },
    /// This is the review.
    Review {
        /// The review.
        data: Review,
        /// What was reviewed.
        of: DiffData,
    },
    /// It was carried out.
    Done {
        /// What came of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<Value>,
    },
    /// It is to come back as a prompt of who asked.
    Prompt {
        /// The text.
        content: String,
    },
    /// It could not be done.
    Failed {
        /// A code of the list that HTTP errors use.
        code: String,
        /// What is wrong and what to do about it.
        error: String,
        /// What was to be reviewed, as far as it was found.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<DiffData>,
    },
    /// A type that this reader does not know.
    #[serde(other)]
    Unknown,
}

tagged!(RunnerResponse, "type");

/// The changes in a workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiffData {
    /// The files that differ.
    #[serde(default)]
    pub files: Vec<FileDiff>,
    /// How many more there are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub omitted_files: u64,
}

#[cfg_attr(
    target_pointer_width = "64",
    expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A file that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileDiff {
    /// Where it is in the workspace.
    pub path: String,
    /// How it differs.
    #[serde(default)]
    pub status: FileStatus,
    /// As unified text; absent where there is none, or where it was left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// Whether some or all of that text was left out since it is too much.
    #[serde(default, skip_serializing_if = "is_false")]
    pub truncated: bool,
}

/// A review of changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Review {
    /// The files, in the order to read them in.
    #[serde(default)]
    pub files: Vec<ReviewedFile>,
    /// What is to be said about all of it.
    #[serde(default, deserialize_with = "nullable")]
    pub overall_summary: String,
    /// How many findings there are of each severity.
    #[serde(default)]
    pub stats: ReviewStats,
}

/// What a review says of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReviewedFile {
    /// Where it is in the workspace.
    pub path: String,
    /// What changed.
    #[serde(deserialize_with = "nullable")]
    pub summary: String,
    /// Its place among the files, from 1.
    pub review_order: u32,
    /// What there is to be said.
    pub findings: Vec<Finding>,
    /// How many lines are new.
    pub lines_added: u64,
    /// How many lines are gone.
    pub lines_deleted: u64,
}

/// Something that a review found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Finding {
    /// Unique within the review.
    #[serde(deserialize_with = "nullable")]
    pub id: String,
    /// The file.
    #[serde(deserialize_with = "nullable")]
    pub file: String,
    /// The first line.
    pub line_start: u32,
    /// The last line.
    pub line_end: u32,
    /// How bad it is.
    pub severity: Severity,
    /// What kind of thing it is.
    #[serde(deserialize_with = "nullable")]
    pub category: String,
    /// In a few words.
    #[serde(deserialize_with = "nullable")]
    pub title: String,
    /// In more words.
    #[serde(deserialize_with = "nullable")]
    pub description: String,
    /// What to write instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggested_fix: Option<String>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It must not stay.
    Critical,
    /// It had better not stay.
    Warning,
    /// A matter of taste.
    Nitpick,
    /// It could be better.
    #[default]
    #[serde(other)]
    Suggestion,
}

/// How many findings there are of each severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReviewStats {
    /// Those that must not stay.
    pub critical: u32,
    /// Those that had better not stay.
    pub warning: u32,
    /// Those that could be better.
    pub suggestion: u32,
    /// Matters of taste.
    pub nitpick: u32,
}

/// A text that may be `null`.
fn nullable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_review_is_read_leniently() {
        let text = json!({"files": [{"path": "a.rs", "findings": [{"severity": "novel", "title": null}]}]});
        let review: Review = serde_json::from_value(text).unwrap();
        assert_eq!(review.files[0].findings[0].severity, Severity::Suggestion);
        assert_eq!(review.stats, ReviewStats::default());
    }

    #[test]
    fn a_file_counts_as_modified_unless_told_otherwise() {
        let file: FileDiff = serde_json::from_value(json!({"path": "a.rs"})).unwrap();
        assert_eq!(file.status, FileStatus::Modified);
    }
}
