//! An agent: it is told things, writes, uses tools, asks, and ends its turns.

use std::collections::VecDeque;
use std::sync::Arc;

use portway_domain::engine::{AgentStatus, Command, RunnerReport};
use portway_domain::ids::{MessageId, QuestionId};
use portway_domain::messages::{FinishReason, PlanEntry, TextKind, ToolCall, ToolStatus};
use portway_domain::questions::{Choice, ChoiceKind};
use portway_domain::workspaces::{ChangedFiles, FileChange, FileStatus, GitReport};
use portway_ports::sessions::PendingCommand;
use tokio::sync::mpsc;

use crate::simulation::Simulation;

/// An agent and the part of the runner that speaks to it.
pub(crate) struct Agent {
    simulation: Arc<Simulation>,
    generation: u32,
    commands: mpsc::UnboundedReceiver<PendingCommand>,
    reports: mpsc::UnboundedSender<RunnerReport>,
    /// Prompts that came while a turn went on.
    waiting: VecDeque<MessageId>,
}

/// A turn that goes on.
struct Turn {
    prompt: MessageId,
    message: u64,
    questions: u64,
    tools: u64,
}

/// Somebody wants the turn to end.
struct Aborted;

impl Agent {
    pub(crate) fn new(
        simulation: Arc<Simulation>,
        generation: u32,
        commands: mpsc::UnboundedReceiver<PendingCommand>,
        reports: mpsc::UnboundedSender<RunnerReport>,
    ) -> Self {
        Self { simulation, generation, commands, reports, waiting: VecDeque::new() }
    }
}

/// Works until nobody speaks to it any more.
pub(crate) async fn run(mut agent: Agent) {
    agent.simulation.pause(20, 800).await;
    if agent.simulation.strikes(agent.simulation.plan.faults.starts / 16) {
        return agent.report(RunnerReport::Failed { error: "simulated".to_owned() });
    }
    if agent.simulation.strikes(agent.simulation.plan.faults.hangs / 8) {
        return std::future::pending().await;
    }
    agent.report(RunnerReport::Ready { agent_session: Some("talk".to_owned()) });
    loop {
        let prompt = match agent.waiting.pop_front() {
            Some(prompt) => prompt,
            None => match agent.commands.recv().await {
                Some(PendingCommand { command: Command::Prompt { prompt, .. }, .. }) => prompt,
                Some(command) => {
                    agent.note_answer(&command);
                    continue;
                }
                None => return,
            },
        };
        agent.turn(prompt).await;
    }
}

impl Agent {
    fn report(&self, report: RunnerReport) {
        // The runner ends only together with the agent.
        let _ = self.reports.send(report);
    }

    fn status(&self, status: AgentStatus) {
        self.report(RunnerReport::Status { status, detail: None });
    }

    async fn turn(&mut self, prompt: MessageId) {
        let mut turn = Turn { prompt: prompt.clone(), message: 0, questions: 0, tools: 0 };
        let aborted = self.work(&mut turn).await.is_err();
        let open = turn.message().filter(|_| turn.message > 0);
        if aborted {
            if self.simulation.strikes(self.simulation.plan.faults.hangs) {
                self.simulation.pause(5_000, 60_000).await;
            }
            self.simulation.pause(1, 200).await;
        }
        if open.is_some() {
            let reason = if aborted { FinishReason::Canceled } else { FinishReason::EndTurn };
            self.report(RunnerReport::MessageFinished { message: open, reason, error: None });
        }
        self.report(RunnerReport::Completed { prompt, aborted });
    }

    async fn work(&mut self, turn: &mut Turn) -> Result<(), Aborted> {
        self.status(AgentStatus::Thinking);
        let steps = self.simulation.draw(|random| random.below(7));
        for _ in 0..steps {
            self.pause(turn, 5, 900).await?;
            if self.simulation.draw(|random| random.chance(100)) {
                self.change_workspace();
            }
            if turn.message == 0 {
                self.begin_message(turn);
            }
            let kind = self.simulation.draw(|random| random.below(100));
            match kind {
                0..55 => self.write(turn, TextKind::Text),
                55..65 => self.write(turn, TextKind::Reasoning),
                65..78 => self.use_tool(turn).await?,
                78..82 => self.plan(turn),
                82..94 => self.ask(turn).await?,
                94..97 => self.next_message(turn),
                _ => self.report(RunnerReport::Error { error: "simulated".to_owned() }),
            }
            if self.simulation.strikes(self.simulation.plan.faults.hangs) {
                self.wait_for_abort(turn).await?;
            }
        }
        self.pause(turn, 1, 300).await
    }

    fn begin_message(&self, turn: &mut Turn) {
        turn.message += 1;
        if let Some(message) = turn.message() {
            self.simulation.ledger(|ledger| ledger.write(&message, self.generation, ""));
            self.report(RunnerReport::MessageCreated { message });
        }
    }

    fn next_message(&self, turn: &mut Turn) {
        self.report(RunnerReport::MessageFinished {
            message: turn.message(),
            reason: FinishReason::EndTurn,
            error: None,
        });
        self.begin_message(turn);
    }

    fn write(&self, turn: &Turn, kind: TextKind) {
        let Some(message) = turn.message() else {
            return;
        };
        let pieces = self.simulation.draw(|random| 1 + random.below(4));
        for _ in 0..pieces {
            let delta = format!("{} ", self.simulation.draw(|random| random.below(1_000_000)));
            self.simulation.ledger(|ledger| ledger.write(&message, self.generation, &delta));
            self.report(RunnerReport::Text { message: message.clone(), kind, delta });
        }
    }

    async fn use_tool(&mut self, turn: &mut Turn) -> Result<(), Aborted> {
        turn.tools += 1;
        let call = |status| ToolCall {
            call_id: format!("tool-{}", turn.tools),
            tool_name: "shell".to_owned(),
            status,
            args: None,
            result: None,
            error: None,
        };
        let (running, completed) = (call(ToolStatus::Running), call(ToolStatus::Completed));
        self.report(RunnerReport::Tool { message: turn.message(), call: running });
        self.pause(turn, 1, 400).await?;
        self.report(RunnerReport::Tool { message: turn.message(), call: completed });
        Ok(())
    }

    fn plan(&self, turn: &Turn) {
        let entry = PlanEntry { content: "go on".to_owned(), status: "pending".to_owned(), priority: "low".to_owned() };
        if let Some(message) = turn.message() {
            self.report(RunnerReport::Plan { message, entries: vec![entry] });
        }
    }

    /// Changes files, or commits what it changed.
    fn change_workspace(&self) {
        let number = self.simulation.draw(|random| random.below(8));
        if self.simulation.draw(|random| random.chance(400)) {
            let branch = number.is_multiple_of(2).then(|| format!("branch-{number}"));
            let base_branch = number.is_multiple_of(3).then(|| "main".to_owned());
            let commit_count = (number > 2).then_some(u32::try_from(number).unwrap_or(0));
            return self.report(RunnerReport::GitState(GitReport { branch, base_branch, commit_count }));
        }
        let file = |name: u64| {
            let additions = self.simulation.draw(|random| u32::try_from(random.below(100)).unwrap_or(0));
            let status = if name.is_multiple_of(2) { FileStatus::Added } else { FileStatus::Modified };
            FileChange { path: format!("src/{}.rs", (name + number) % 8), status, additions, deletions: 0 }
        };
        let files: Vec<FileChange> = (0..number / 2).map(file).collect();
        self.report(RunnerReport::FilesChanged(ChangedFiles::from(files)));
    }

    /// Asks, and waits for what becomes of the question; sometimes not for ever.
    async fn ask(&mut self, turn: &mut Turn) -> Result<(), Aborted> {
        turn.questions += 1;
        let Ok(question) = QuestionId::parse(format!("{}.q{}", turn.prompt, turn.questions)) else {
            return Ok(());
        };
        let choice = |id: &str, kind| Choice { id: id.to_owned(), label: format!("label {id}"), kind };
        let choices = match self.simulation.draw(|random| random.below(3)) {
            0 => Vec::new(),
            1 => vec![choice("yes", ChoiceKind::AllowOnce), choice("no", ChoiceKind::RejectOnce)],
            _ => vec![choice("yes", ChoiceKind::AllowOnce)],
        };
        self.report(RunnerReport::Asked { question: question.clone(), text: "May I?".to_owned(), choices });
        let is_impatient = self.simulation.draw(|random| random.chance(150));
        let patience = if is_impatient { 4_000 } else { 1_000_000 };
        let until = self.simulation.pause(1_000.min(patience), patience);
        tokio::pin!(until);
        loop {
            tokio::select! {
                biased;
                command = self.commands.recv() => {
                    if self.obey(turn, command)?.as_ref() == Some(&question) {
                        return Ok(());
                    }
                }
                () = &mut until => {
                    self.report(RunnerReport::QuestionClosed { question });
                    return Ok(());
                }
            }
        }
    }

    /// Lets time pass, in which the turn may be told to end.
    async fn pause(&mut self, turn: &Turn, least: u64, most: u64) -> Result<(), Aborted> {
        let pause = self.simulation.pause(least, most);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                biased;
                command = self.commands.recv() => drop(self.obey(turn, command)?),
                () = &mut pause => return Ok(()),
            }
        }
    }

    async fn wait_for_abort(&mut self, turn: &Turn) -> Result<(), Aborted> {
        self.simulation.note(format_args!("the agent of {} hangs", turn.prompt));
        loop {
            let command = self.commands.recv().await;
            self.obey(turn, command)?;
        }
    }

    /// Answers the question that the command resolves.
    fn obey(&mut self, turn: &Turn, command: Option<PendingCommand>) -> Result<Option<QuestionId>, Aborted> {
        let Some(command) = command else {
            return Err(Aborted);
        };
        match &command.command {
            Command::Abort { prompt } if *prompt == turn.prompt => Err(Aborted),
            Command::Abort { .. } => Ok(None),
            Command::Prompt { prompt, .. } => {
                self.waiting.push_back(prompt.clone());
                Ok(None)
            }
            Command::Answer { .. } => Ok(self.note_answer(&command)),
        }
    }

    fn note_answer(&self, command: &PendingCommand) -> Option<QuestionId> {
        let Command::Answer { question, resolution } = &command.command else {
            return None;
        };
        let noted = self.simulation.ledger(|ledger| ledger.resolve(question, self.generation, resolution.clone()));
        if let Err(error) = noted {
            self.simulation.violated(format_args!("{error}"));
        }
        Some(question.clone())
    }
}

impl Turn {
    fn message(&self) -> Option<MessageId> {
        MessageId::parse(format!("{}.{}", self.prompt, self.message)).ok()
    }
}
