//! The client's side of a session.

use std::sync::Arc;

use portway_domain::access::{Permission, Principal, SessionRole};
use portway_domain::engine::Notice;
use portway_domain::ids::{QuestionId, SessionId};
use portway_domain::questions::AnswerValue;
use portway_domain::runner_requests::RunnerRequest;
use portway_domain::sessions::QueueMode;
use portway_ports::pubsub::{Delivery, Hint, SharedHint, Subscription};
use portway_ports::sessions::Transcript;
use portway_ports::shared_text::SharedText;
use portway_protocol::client::{AnswerValue as AnswerFrame, Attachment, ClientFrame, QueueMode as QueueModeFrame};
use portway_protocol::server::ServerFrame;
use portway_services::error::Error;
use portway_services::prompts::NewPrompt;
use portway_services::{Context, Services};

use super::listening::{Heard, either};
use super::{CLOSE_POLICY, attachments, frames, send, shared};
use crate::attachments::{Sent, decode};
use crate::error::{ApiError, ErrorCode};
use crate::input::refuse_nul;
use crate::operations::{channel, prompt_id};
use crate::socket::{Incoming, ServeSocket, Socket, SocketClosed, serve_socket};

pub(super) async fn open(services: Arc<Services>, context: Context, id: SessionId) -> Result<ServeSocket, ApiError> {
    let watch = services.watch_session(&context, &id).await?;
    let is_owner = watch.transcript.access.is_owner();
    let client = Box::new(Client { services, context, id, principal: watch.principal, is_owner, known: 0 });
    let (transcript, subscription) = (Box::new(watch.transcript), watch.subscription);
    Ok(serve_socket(move |socket| client.serve(socket, transcript, subscription)))
}

pub(super) struct Client {
    pub(super) services: Arc<Services>,
    pub(super) context: Context,
    pub(super) id: SessionId,
    pub(super) principal: Arc<Principal>,
    /// Whether the session is the caller's own.
    pub(super) is_owner: bool,
    /// Version of the state that the client has: older hints are part of it.
    pub(super) known: u64,
}

impl Client {
    async fn serve(
        mut self: Box<Self>,
        mut socket: Box<dyn Socket>,
        transcript: Box<Transcript>,
        mut subscription: Box<dyn Subscription>,
    ) {
        // The peer being gone is the ordinary end.
        let _ = self.talk(&mut *socket, transcript, &mut *subscription).await;
    }

    /// Most sockets are silent most of the time, so the memory for what is done now and then is there only meanwhile:
    /// those futures are boxed, and no frame is kept while its text is sent.
    async fn talk(
        &mut self,
        socket: &mut dyn Socket,
        transcript: Box<Transcript>,
        subscription: &mut dyn Subscription,
    ) -> Result<(), SocketClosed> {
        Box::pin(self.send_state(socket, transcript)).await?;
        let _presence = self.services.join(&self.id, self.principal.clone());
        loop {
            match either(socket, subscription).await {
                Heard::Peer(Some(incoming)) => Box::pin(self.received(socket, incoming)).await?,
                Heard::Watched(Some(Delivery::Hint(hint))) => self.tell(socket, &hint).await?,
                Heard::Watched(Some(Delivery::Missed)) => Box::pin(self.catch_up(socket)).await?,
                Heard::Peer(None) => return Ok(()),
                Heard::Watched(None) => {
                    socket.close(portway_protocol::CLOSE_RESTART, "The gateway goes down").await;
                    return Ok(());
                }
            }
        }
    }

    /// Sends the whole state, and every question that waits.
    async fn send_state(&mut self, socket: &mut dyn Socket, transcript: Box<Transcript>) -> Result<(), SocketClosed> {
        self.known = transcript.engine.version;
        let questions: Vec<ServerFrame> = transcript.engine.value.questions.iter().map(frames::question).collect();
        let (users, sockets) = self.services.present(&self.id).await;
        let mut init = frames::init(*transcript, users, sockets);
        attachments::show(&self.services, &self.id, &mut init).await;
        send(socket, &init).await?;
        drop(init);
        for question in questions {
            send(socket, &question).await?;
        }
        Ok(())
    }

    /// Hints were lost, so the state is sent anew; it replaces what the client had.
    async fn catch_up(&mut self, socket: &mut dyn Socket) -> Result<(), SocketClosed> {
        let context = self.frame_context(SessionRole::Viewer);
        match self.services.transcript(&context, &self.id).await {
            Ok((_, transcript)) => self.send_state(socket, Box::new(transcript)).await,
            Err(error) => Err(close_unread(socket, &error).await),
        }
    }

    async fn tell(&mut self, socket: &mut dyn Socket, hint: &SharedHint) -> Result<(), SocketClosed> {
        match &**hint {
            Hint::Session { version, notices, .. } if *version > self.known => {
                for (notice, text) in notices.iter().zip(shared::plain(hint)) {
                    match (text, notice) {
                        (Some(text), notice) => {
                            socket.send(text.clone()).await?;
                            self.toast(socket, notice).await?;
                        }
                        (None, Notice::AccessWithdrawn { user }) if *user == self.principal.user => {
                            return Box::pin(self.catch_up(socket)).await;
                        }
                        (None, Notice::Message(_) | Notice::MessageUpdated(_)) => {
                            Box::pin(self.send_with_content(socket, notice)).await?;
                        }
                        (None, _) => {}
                    }
                }
                Ok(())
            }
            Hint::Presence(_) | Hint::Responded(_) => deliver_all(socket, shared::plain(hint)).await,
            Hint::Session { .. } | Hint::Bus(_) | Hint::RunnerAsked(_) | Hint::RunnerAnswered { .. } => Ok(()),
        }
    }

    /// Sends what of a notice only the session's owner gets, after what everybody gets.
    pub(super) async fn toast(&self, socket: &mut dyn Socket, notice: &Notice) -> Result<(), SocketClosed> {
        match notice {
            Notice::Question(question) if self.is_owner => send(socket, &frames::toast(question)).await,
            _ => Ok(()),
        }
    }

    /// Sends a message with the content of what is attached.
    async fn send_with_content(&self, socket: &mut dyn Socket, notice: &Notice) -> Result<(), SocketClosed> {
        let Some(mut frame) = frames::notice(notice) else {
            return Ok(());
        };
        attachments::show(&self.services, &self.id, &mut frame).await;
        send(socket, &frame).await
    }

    pub(super) async fn received(&mut self, socket: &mut dyn Socket, incoming: Incoming) -> Result<(), SocketClosed> {
        let text = incoming.text().unwrap_or_default();
        let Ok(frame) = serde_json::from_str(text) else {
            return send(socket, &refusal(&ApiError::new(ErrorCode::InvalidRequest, "Invalid JSON"))).await;
        };
        if frame != ClientFrame::Unknown
            && let Err(error) = refuse_nul(&[], text)
        {
            return send(socket, &refusal(&error)).await;
        }
        let done = match frame {
            ClientFrame::Ping {} => return send(socket, &ServerFrame::Pong {}).await,
            ClientFrame::Prompt { content, queue_mode, model, attachments, channel_type, channel_id } => {
                match channel(channel_type, channel_id) {
                    Ok(channel) => {
                        let prompt = NewPrompt { content, model, queue_mode: queue_mode.map(mode), channel };
                        self.prompt(prompt, attachments).await
                    }
                    Err(error) => Err(error),
                }
            }
            ClientFrame::Answer { question_id, answer } => self.answer(question_id, answer).await,
            ClientFrame::Withdraw { message_id } => self.withdraw(message_id).await,
            ClientFrame::Promote { message_id } => self.promote(message_id).await,
            ClientFrame::Diff {} => self.ask(RunnerRequest::Diff).await,
            ClientFrame::Review {} => self.ask(RunnerRequest::Review).await,
            ClientFrame::Command { command, args, channel_type, channel_id } => {
                self.command(&command, args, channel_type, channel_id).await
            }
            ClientFrame::Abort { channel_type, channel_id } => match channel(channel_type, channel_id) {
                Ok(channel) => {
                    self.services.abort(&self.frame_context(SessionRole::Collaborator), &self.id, channel).await
                }
                Err(error) => Err(error),
            },
            ClientFrame::Revert { message_id } => self.revert(message_id).await,
            ClientFrame::Unknown => return Ok(()),
        };
        match done {
            Ok(()) => Ok(()),
            Err(error) => send(socket, &refusal(&ApiError::from(error))).await,
        }
    }

    async fn prompt(&self, prompt: NewPrompt, attachments: Vec<Attachment>) -> Result<(), Error> {
        let context = self.frame_context(SessionRole::Collaborator);
        let attachments = decode(attachments.iter().map(sent).collect())?;
        self.services.prompt_with_attachments(&context, &self.id, prompt, attachments).await.map(drop)
    }

    async fn answer(&self, question: String, answer: AnswerFrame) -> Result<(), Error> {
        let context = self.frame_context(SessionRole::Collaborator);
        let question =
            QuestionId::parse(question.as_str()).map_err(|_| Error::NotFound { resource: "Question", id: question })?;
        let answer = match answer {
            AnswerFrame::Flag(flag) => AnswerValue::Flag(flag),
            AnswerFrame::Text(text) => AnswerValue::Text(text),
        };
        self.services.answer(&context, &self.id, &question, answer).await
    }

    async fn withdraw(&self, prompt: String) -> Result<(), Error> {
        let context = self.frame_context(SessionRole::Collaborator);
        self.services.withdraw(&context, &self.id, &prompt_id(prompt)?).await
    }

    async fn promote(&self, prompt: String) -> Result<(), Error> {
        let context = self.frame_context(SessionRole::Collaborator);
        self.services.promote(&context, &self.id, &prompt_id(prompt)?).await
    }

    pub(super) fn frame_context(&self, role: SessionRole) -> Context {
        frames::frame_context(&self.context, Permission::Session(role), self.services.moment())
    }
}

fn sent(attachment: &Attachment) -> Sent<'_> {
    let name = attachment.filename.clone();
    Sent { media_type: Some(&attachment.mime), name, field: "url", source: &attachment.url }
}

/// Closes a socket whose session could not be read.
pub(super) async fn close_unread(socket: &mut dyn Socket, error: &Error) -> SocketClosed {
    let (code, reason) = match error {
        Error::Unauthorized | Error::NotFound { .. } => (CLOSE_POLICY, "Access was withdrawn"),
        _ => (portway_protocol::CLOSE_RESTART, "The session cannot be read at the moment"),
    };
    socket.close(code, reason).await;
    SocketClosed
}

fn mode(mode: QueueModeFrame) -> QueueMode {
    match mode {
        QueueModeFrame::Followup => QueueMode::Followup,
        QueueModeFrame::Steer => QueueMode::Steer,
        QueueModeFrame::Collect => QueueMode::Collect,
    }
}

/// Tells the sender why a frame was not carried out.
pub(super) fn refusal(error: &ApiError) -> ServerFrame {
    let code = serde_json::to_value(error.code).ok();
    ServerFrame::Error {
        message_id: None,
        error: error.message.to_string(),
        message: error.message.to_string(),
        code: code.as_ref().and_then(serde_json::Value::as_str).map(str::to_owned),
    }
}

/// Sends all texts that there are.
pub(super) async fn deliver_all(socket: &mut dyn Socket, texts: &[Option<SharedText>]) -> Result<(), SocketClosed> {
    for text in texts.iter().flatten() {
        socket.send(text.clone()).await?;
    }
    Ok(())
}
