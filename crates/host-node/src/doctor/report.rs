//! What was found, for people and for programs.

use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Fine,
    /// Worth knowing.
    Note,
    /// Something has to be done.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What it belongs to, such as `database`.
    pub(super) check: &'static str,
    pub(super) level: Level,
    /// What was found.
    pub(super) message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) advice: Option<String>,
}

/// Everything that was looked at, in order.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) findings: Vec<Finding>,
}

#[derive(Serialize)]
struct Document<'a> {
    healthy: bool,
    findings: &'a [Finding],
}

impl Report {
    pub(super) fn fine(&mut self, check: &'static str, message: impl Into<String>) {
        self.add(check, Level::Fine, message.into(), None);
    }

    pub(super) fn note(&mut self, check: &'static str, message: impl Into<String>, advice: impl Into<String>) {
        self.add(check, Level::Note, message.into(), Some(advice.into()));
    }

    pub(super) fn problem(&mut self, check: &'static str, message: impl Into<String>, advice: impl Into<String>) {
        self.add(check, Level::Problem, message.into(), Some(advice.into()));
    }

    fn add(&mut self, check: &'static str, level: Level, message: String, advice: Option<String>) {
        self.findings.push(Finding { check, level, message, advice });
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.problems() == 0
    }

    fn problems(&self) -> usize {
        self.findings.iter().filter(|finding| finding.level == Level::Problem).count()
    }

    pub(super) fn json(&self) -> String {
        let document = Document { healthy: self.is_healthy(), findings: &self.findings };
        // It has no maps and no numbers, so it can always be written.
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            let mark = match finding.level {
                Level::Fine => "ok",
                Level::Note => "note",
                Level::Problem => "PROBLEM",
            };
            let mut lines = finding.message.lines();
            let first = lines.next().unwrap_or_default();
            text.push_str(&format!("{mark:8} {:14} {first}\n", finding.check));
            for line in lines {
                text.push_str(&format!("{:24}{line}\n", ""));
            }
            if let Some(advice) = &finding.advice {
                text.push_str(&format!("{:24}-> {advice}\n", ""));
            }
        }
        let summary = match self.problems() {
            0 => "Nothing is wrong.".to_owned(),
            1 => "1 problem was found.".to_owned(),
            count => format!("{count} problems were found."),
        };
        text + "\n" + &summary + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_for_people_and_for_programs() {
        let mut report = Report::default();
        report.fine("clock", "it goes");
        report.note("agents", "no key", "log in");
        assert!(report.is_healthy() && report.text().ends_with("\nNothing is wrong.\n"));
        report.problem("database", "damaged\nin two places", "restore a backup");
        assert!(!report.is_healthy());
        assert_eq!(
            report.text(),
            "ok       clock          it goes\n\
             note     agents         no key\n                        -> log in\n\
             PROBLEM  database       damaged\n                        in two places\n                        \
             -> restore a backup\n\n1 problem was found.\n"
        );
        let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(json["healthy"], false);
        assert_eq!(json["findings"][2]["level"], "problem");
        assert_eq!(json["findings"][1]["advice"], "log in");
        assert!(json["findings"][0]["advice"].is_null());
    }
}
