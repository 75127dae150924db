//! Prompts that leave a line for everything that reached the agent, so that what came twice or never can be seen.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::script::Script;

/// Where the lines are, in the workspace.
const FILE: &str = "tally.log";

/// Words of an answer.
const WORDS: u32 = 24;

/// Between two words.
const PAUSE: Duration = Duration::from_millis(15);

impl Script {
    /// Notes the prompt and says its text with numbers.
    pub(super) async fn tally(&self, text: &str) {
        if !self.noted(&format!("prompt {text}")) {
            return;
        }
        for n in 1..=WORDS {
            self.say(&format!("{text}.{n} "));
            sleep(PAUSE).await;
        }
    }

    /// Notes the prompt, asks, and notes the answer.
    pub(super) async fn ask(&self, text: &str) {
        if !self.noted(&format!("prompt {text}")) {
            return;
        }
        let call = json!({
            "toolCallId": format!("ask-{text}"),
            "title": format!("Note the answer to {text}"),
            "kind": "other",
            "status": "pending",
        });
        let answer = self.choose(call).await;
        let answer = answer.as_deref().unwrap_or("cancelled");
        if self.noted(&format!("answer {text} {answer}")) {
            self.say(&format!("{text}: {answer}"));
        }
    }

    fn noted(&self, line: &str) -> bool {
        let written = self.append(line);
        if let Err(error) = &written {
            self.say(&format!("{FILE} cannot be written: {error}"));
        }
        written.is_ok()
    }

    /// The line in one write at the end of the file, which several processes may append to.
    fn append(&self, line: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).open(self.cwd.join(FILE))?;
        file.write_all(format!("{line}\n").as_bytes())
    }
}
