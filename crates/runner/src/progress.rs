//! What a hello says of the work at hand.

use portway_protocol::runner::{RunnerCommand, RunnerEvent};

/// Turns and questions that are open, as the gateway will see them once it has every event that was made.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    turns: Vec<String>,
    questions: Vec<String>,
}

impl Progress {
    /// The prompt that is worked on; the oldest if several were taken over.
    pub(crate) fn turn(&self) -> Option<&str> {
        self.turns.first().map(String::as_str)
    }

    /// Questions that wait for an answer.
    pub(crate) fn open_questions(&self) -> &[String] {
        &self.questions
    }

    /// The command was taken over.
    pub(crate) fn took(&mut self, command: &RunnerCommand) {
        match command {
            RunnerCommand::Prompt { message_id, .. } => self.turns.push(message_id.clone()),
            RunnerCommand::Answer { question_id, .. } => self.close(question_id),
            RunnerCommand::Abort { .. } | RunnerCommand::Unknown => {}
        }
    }

    /// The event was numbered.
    pub(crate) fn made(&mut self, event: &RunnerEvent) {
        match event {
            RunnerEvent::Question { question_id, .. } => self.questions.push(question_id.clone()),
            RunnerEvent::QuestionClosed { question_id } => self.close(question_id),
            RunnerEvent::Complete { message_id } | RunnerEvent::Aborted { message_id } => {
                self.turns.retain(|turn| turn != message_id);
            }
            _ => {}
        }
    }

    fn close(&mut self, question_id: &str) {
        self.questions.retain(|open| open != question_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portway_protocol::runner::Answer;

    fn prompt(id: &str) -> RunnerCommand {
        RunnerCommand::Prompt {
            message_id: id.into(),
            content: String::new(),
            model: None,
            model_preferences: Vec::new(),
            attachments: Vec::new(),
        }
    }

    #[test]
    fn a_turn_is_open_from_the_prompt_to_its_end() {
        let mut progress = Progress::default();
        progress.took(&prompt("a"));
        progress.took(&prompt("b"));
        assert_eq!(progress.turn(), Some("a"));
        progress.made(&RunnerEvent::Complete { message_id: "a".into() });
        assert_eq!(progress.turn(), Some("b"));
        progress.made(&RunnerEvent::Aborted { message_id: "b".into() });
        assert_eq!(progress.turn(), None);
    }

    #[test]
    fn a_question_is_open_until_answered_or_closed() {
        let mut progress = Progress::default();
        for id in ["q1", "q2"] {
            progress.made(&RunnerEvent::Question { question_id: id.into(), text: String::new(), choices: Vec::new() });
        }
        progress.took(&RunnerCommand::Answer { question_id: "q1".into(), answer: Answer::Cancelled {} });
        assert_eq!(progress.open_questions(), ["q2"]);
        progress.made(&RunnerEvent::QuestionClosed { question_id: "q2".into() });
        assert!(progress.open_questions().is_empty());
    }
}
