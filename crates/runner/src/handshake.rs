//! From a started agent process to a conversation that takes prompts.

use serde_json::{Value, json};

use crate::acp::{self, AgentInfo, AuthMethod, Initialized, PromptCapabilities};
use crate::jsonrpc::{AUTH_REQUIRED, RpcError};
use crate::models::Models;

/// The steps of a start; one request of ours is open at any time.
#[derive(Debug)]
pub(crate) struct Handshake {
    workspace: String,
    wishes: Wishes,
    /// The conversation of an earlier process.
    previous: Option<String>,
    step: Step,
    can_load: bool,
    prompt_capabilities: PromptCapabilities,
    offered: Vec<AuthMethod>,
    authenticated: bool,
    agent: Option<AgentInfo>,
    models: Option<Models>,
}

/// What the configuration says about conversations with the agent.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    /// The way to log in if the agent demands a login.
    pub(crate) auth_method: Option<String>,
    /// The mode to put every conversation into.
    pub(crate) mode: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Initialize,
    Authenticate,
    Load,
    New,
    SetMode(Opened),
}

/// A conversation that is open already.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Opened {
    id: String,
    /// The modes that the agent offers in it.
    modes: Vec<String>,
}

/// What comes next.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// Send this request.
    Request(&'static str, Value),
    /// The agent takes prompts in the conversation of this name.
    Ready(String),
    /// It cannot be brought to take any; in words, with what to do about it.
    Failed(String),
}

impl Handshake {
    /// Begins; `previous` is gone on with if the agent can.
    pub(crate) fn begin(workspace: String, wishes: Wishes, previous: Option<String>) -> (Self, &'static str, Value) {
        let handshake = Self {
            workspace,
            wishes,
            previous,
            step: Step::Initialize,
            can_load: false,
            prompt_capabilities: PromptCapabilities::default(),
            offered: Vec::new(),
            authenticated: false,
            agent: None,
            models: None,
        };
        (handshake, "initialize", acp::initialize_params())
    }

    /// Begins a new conversation in a process that has one already.
    pub(crate) fn renew(&mut self) -> (&'static str, Value) {
        self.step = Step::New;
        ("session/new", self.new_session_params())
    }

    /// What was waited for, for messages.
    pub(crate) fn waiting_for(&self) -> &'static str {
        match self.step {
            Step::Initialize => "initialize",
            Step::Authenticate => "authenticate",
            Step::Load => "session/load",
            Step::New => "session/new",
            Step::SetMode(_) => "session/set_mode",
        }
    }

    /// The open request was answered.
    pub(crate) fn answered(&mut self, outcome: Result<Value, RpcError>) -> Next {
        match (self.step.clone(), outcome) {
            (Step::Initialize, Ok(result)) => self.initialized(Initialized::decode(result)),
            (Step::Authenticate, Ok(_)) => {
                self.authenticated = true;
                self.open()
            }
            (Step::Load, Ok(result)) => match self.previous.take() {
                Some(id) => self.loaded(id, &result),
                None => self.new_session(),
            },
            (Step::New, Ok(result)) => match result["sessionId"].as_str() {
                Some(id) => self.opened(id.to_owned(), &result),
                None => Next::Failed("The agent opened a session without an id.".to_owned()),
            },
            (Step::SetMode(opened), Ok(_)) => Next::Ready(opened.id),
            (Step::Load | Step::New, Err(error)) if error.code == AUTH_REQUIRED => self.authenticate(&error),
            // It may have forgotten the conversation; a new one is better than none.
            (Step::Load, Err(error)) => {
                tracing::warn!(code = error.code, "the agent cannot load its conversation, a new one begins");
                self.previous = None;
                self.new_session()
            }
            (Step::Authenticate, Err(error)) => {
                Next::Failed(format!("The login failed: {error}. {}", self.login_help()))
            }
            (Step::Initialize, Err(error)) => Next::Failed(format!("The agent refused to initialize: {error}")),
            (Step::New, Err(error)) => Next::Failed(format!("The agent refused to open a session: {error}")),
            (Step::SetMode(opened), Err(error)) => Next::Failed(format!(
                "The agent refused the mode {:?}: {error}. Choose another in [agents.NAME].mode, or \"\" for its own choice. It offers: {}.",
                self.wishes.mode.as_deref().unwrap_or_default(),
                list(&opened.modes)
            )),
        }
    }

    /// Whether an earlier conversation is being loaded.
    pub(crate) fn is_loading(&self) -> bool {
        self.step == Step::Load
    }

    /// What the agent takes in a prompt besides text.
    pub(crate) fn prompt_capabilities(&self) -> PromptCapabilities {
        self.prompt_capabilities
    }

    /// The models of the open conversation, and what to call the agent.
    pub(crate) fn models(&mut self) -> (Option<Models>, String) {
        let agent = self.agent.take().and_then(|agent| agent.title.or(agent.name));
        (self.models.take(), agent.unwrap_or_else(|| "Agent".to_owned()))
    }

    /// What to do about an agent that wants a login.
    pub(crate) fn login_help(&self) -> String {
        let offered: Vec<String> = self
            .offered
            .iter()
            .map(|method| match &method.name {
                Some(name) => format!("{} ({name})", method.id),
                None => method.id.clone(),
            })
            .collect();
        format!(
            "Log in to it where the sandbox runs, or give it a key in [agents.NAME].env, or name a method in [agents.NAME].auth_method. It offers: {}.",
            list(&offered)
        )
    }

    fn initialized(&mut self, result: Initialized) -> Next {
        if let Some(version) = result.protocol_version.filter(|v| *v != acp::VERSION) {
            return Next::Failed(format!(
                "The agent speaks version {version} of ACP, this runner only version {}; use another version of the agent.",
                acp::VERSION
            ));
        }
        let capabilities = result.agent_capabilities.unwrap_or_default();
        self.can_load = capabilities.load_session.unwrap_or(false);
        self.prompt_capabilities = capabilities.prompt_capabilities.unwrap_or_default();
        self.offered = result.auth_methods;
        self.agent = result.agent_info;
        self.open()
    }

    fn open(&mut self) -> Next {
        match &self.previous {
            Some(id) if self.can_load => {
                self.step = Step::Load;
                Next::Request("session/load", json!({"sessionId": id, "cwd": self.workspace, "mcpServers": []}))
            }
            _ => self.new_session(),
        }
    }

    fn new_session(&mut self) -> Next {
        self.step = Step::New;
        Next::Request("session/new", self.new_session_params())
    }

    fn new_session_params(&self) -> Value {
        json!({"cwd": self.workspace, "mcpServers": []})
    }

    /// A new conversation is open. An agent in another mode would act by other rules than the configured ones.
    fn opened(&mut self, id: String, result: &Value) -> Next {
        self.models = Models::decode(result);
        match &self.wishes.mode {
            Some(mode) if result["modes"]["currentModeId"] != mode.as_str() => self.set_mode(id, mode.clone(), result),
            _ => Next::Ready(id),
        }
    }

    /// An earlier conversation is open. The mode is set even if it is the current one: an agent that goes on replaying
    /// after it has answered has replayed all when it answers this.
    fn loaded(&mut self, id: String, result: &Value) -> Next {
        self.models = Models::decode(result);
        match &self.wishes.mode {
            Some(mode) => self.set_mode(id, mode.clone(), result),
            None => Next::Ready(id),
        }
    }

    fn set_mode(&mut self, id: String, mode: String, result: &Value) -> Next {
        let request = Next::Request("session/set_mode", json!({"sessionId": id, "modeId": mode}));
        let offered = result["modes"]["availableModes"].as_array().into_iter().flatten();
        let modes = offered.filter_map(|mode| Some(mode["id"].as_str()?.to_owned())).collect();
        self.step = Step::SetMode(Opened { id, modes });
        request
    }

    fn authenticate(&mut self, error: &RpcError) -> Next {
        let method = self.wishes.auth_method.clone().filter(|_| !self.authenticated);
        if let Some(method) = method {
            self.step = Step::Authenticate;
            return Next::Request("authenticate", json!({"methodId": method}));
        }
        Next::Failed(format!("The agent wants a login: {}. {}", error.message, self.login_help()))
    }
}

fn list(offered: &[String]) -> String {
    if offered.is_empty() { "nothing".to_owned() } else { offered.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(auth_method: Option<&str>, previous: Option<&str>) -> Handshake {
        let wishes = Wishes { auth_method: auth_method.map(str::to_owned), mode: None };
        Handshake::begin("/w".into(), wishes, previous.map(str::to_owned)).0
    }

    /// One that wants a mode and has opened a conversation, whose result says this about modes.
    fn opened_in(modes: Value) -> (Handshake, Next) {
        let wishes = Wishes { mode: Some("ask".to_owned()), ..Wishes::default() };
        let (mut handshake, ..) = Handshake::begin("/w".into(), wishes, None);
        handshake.answered(Ok(json!({"protocolVersion": 1})));
        let next = handshake.answered(Ok(json!({"sessionId": "s", "modes": modes})));
        (handshake, next)
    }

    fn method(next: &Next) -> &str {
        match next {
            Next::Request(method, _) => method,
            other => panic!("{other:?}"),
        }
    }

    fn login() -> Result<Value, RpcError> {
        Err(RpcError::new(AUTH_REQUIRED, "Authentication required"))
    }

    #[test]
    fn a_plain_start_is_two_requests() {
        let mut handshake = begin(None, Some("old"));
        let next = handshake.answered(Ok(json!({"protocolVersion": 1})));
        assert_eq!(method(&next), "session/new", "it cannot load");
        assert_eq!(handshake.answered(Ok(json!({"sessionId": "s", "modes": null}))), Next::Ready("s".into()));
    }

    #[test]
    fn a_conversation_is_loaded_or_else_begun_anew() {
        let capable = json!({"protocolVersion": 1, "agentCapabilities": {"loadSession": true}});
        let mut handshake = begin(None, Some("old"));
        let next = handshake.answered(Ok(capable.clone()));
        assert_eq!(method(&next), "session/load");
        assert!(handshake.is_loading());
        assert_eq!(handshake.answered(Ok(Value::Null)), Next::Ready("old".into()));

        let mut handshake = begin(None, Some("old"));
        handshake.answered(Ok(capable));
        let next = handshake.answered(Err(RpcError::new(-32002, "gone")));
        assert_eq!(method(&next), "session/new");
    }

    #[test]
    fn a_login_is_tried_once_with_the_named_method_only() {
        let offer = json!({"authMethods": [{"id": "key", "name": "API key"}]});
        let mut handshake = begin(Some("key"), None);
        handshake.answered(Ok(offer.clone()));
        let next = handshake.answered(login());
        assert_eq!(next, Next::Request("authenticate", json!({"methodId": "key"})));
        assert_eq!(method(&handshake.answered(Ok(Value::Null))), "session/new");
        assert!(matches!(handshake.answered(login()), Next::Failed(_)));

        let mut handshake = begin(None, None);
        handshake.answered(Ok(offer));
        let Next::Failed(text) = handshake.answered(login()) else {
            panic!("not failed");
        };
        assert!(text.contains("key (API key)") && text.contains("auth_method"), "{text}");
    }

    #[test]
    fn a_login_may_be_wanted_for_loading_and_may_fail() {
        let mut handshake = begin(Some("key"), Some("old"));
        handshake.answered(Ok(json!({"agentCapabilities": {"loadSession": true}, "authMethods": [{"id": "key"}]})));
        assert_eq!(method(&handshake.answered(login())), "authenticate");
        assert_eq!(method(&handshake.answered(Ok(json!({})))), "session/load");
        assert!(matches!(handshake.answered(login()), Next::Failed(_)), "once is enough");

        let mut handshake = begin(Some("token"), None);
        handshake.answered(Ok(json!({"authMethods": [{"id": "key"}]})));
        handshake.answered(login());
        let Next::Failed(text) = handshake.answered(Err(RpcError::new(-32602, "unknown method"))) else {
            panic!("not failed");
        };
        assert!(text.contains("unknown method") && text.contains("It offers: key."), "{text}");
    }

    #[test]
    fn a_conversation_is_put_into_the_wanted_mode() {
        let offer =
            |current: &str| json!({"currentModeId": current, "availableModes": [{"id": "ask"}, {"id": "auto"}]});
        assert_eq!(opened_in(offer("ask")).1, Next::Ready("s".into()), "it is in that mode already");
        for modes in [offer("auto"), Value::Null] {
            let (mut handshake, next) = opened_in(modes);
            assert_eq!(next, Next::Request("session/set_mode", json!({"sessionId": "s", "modeId": "ask"})));
            assert_eq!(handshake.answered(Ok(Value::Null)), Next::Ready("s".into()));
        }
        let (mut handshake, _) = opened_in(offer("auto"));
        let Next::Failed(text) = handshake.answered(Err(RpcError::new(-32602, "no such mode"))) else {
            panic!("not failed");
        };
        assert!(text.contains("\"ask\": no such mode") && text.contains("It offers: ask, auto."), "{text}");
    }

    #[test]
    fn a_loaded_conversation_is_put_into_the_wanted_mode() {
        let wishes = Wishes { mode: Some("ask".to_owned()), ..Wishes::default() };
        let (mut handshake, ..) = Handshake::begin("/w".into(), wishes, Some("old".to_owned()));
        handshake.answered(Ok(json!({"agentCapabilities": {"loadSession": true}})));
        let next = handshake.answered(Ok(json!({"modes": {"currentModeId": "ask"}})));
        assert_eq!(next, Next::Request("session/set_mode", json!({"sessionId": "old", "modeId": "ask"})));
        assert!(!handshake.is_loading());
        assert_eq!(handshake.answered(Ok(json!({}))), Next::Ready("old".into()));
    }

    #[test]
    fn another_protocol_version_is_refused() {
        let next = begin(None, None).answered(Ok(json!({"protocolVersion": 2})));
        assert!(matches!(next, Next::Failed(text) if text.contains("version 2")));
    }
}
