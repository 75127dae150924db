//! Requests of JSON-RPC.

use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Request, StatusCode, Uri};
use portway_services::context::Context;
use serde_json::{Map, Value};

use super::rates::Toll;
use super::serve::{Api, content, empty, peer};
use super::{body, idempotency};
use crate::error::{ApiError, ErrorCode};
use crate::operation::Operation;
use crate::options::{Ask, Uncounted};
use crate::rate::RateClass;
use crate::row::Row;
use crate::rpc::{Call, DISCOVER, Fault, Message, failure, read, success};

/// Most bytes of the answers to a batch, after which its other calls are not carried out any more.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Where calls are sent.
const PATH: &str = "/rpc";

/// What all calls of a request have in common.
struct Caller<'a> {
    parts: &'a Parts,
    request_id: &'a str,
    /// The idempotency key of the request, or what is wrong with it.
    key: Result<Option<String>, ApiError>,
    toll: &'a Toll,
}

/// What there is to do for a call.
enum Step<'a, S> {
    /// Nothing, as nobody would hear of it.
    Nothing,
    /// The methods are described.
    Discover(&'a str),
    /// Another instance answers.
    Ask(Ask, &'a Call<'a>),
    Call {
        operation: &'a Operation<S>,
        id: &'a str,
        key: Option<&'a str>,
        input: &'a str,
    },
}

impl<S: Send + Sync + 'static> Api<S> {
    /// Answers a request. Whatever becomes of its calls, the status is 200, or 204 where no call has an answer.
    ///
    /// # Errors
    /// Of a body that is too large or does not arrive.
    pub(super) async fn rpc(
        &self,
        parts: &Parts,
        context: Context,
        body: Body,
        toll: &Toll,
    ) -> Result<Response, ApiError> {
        let bytes = body::read_body(body, self.options.max_body_bytes).await?;
        let request_id = context.request_id.clone();
        let caller = Caller { parts, request_id: &request_id, key: idempotency::key(&parts.headers), toll };
        let answer = match read(&bytes) {
            Ok(Message::One(call)) => self.answer(&caller, context, call).await,
            Ok(Message::Batch(_)) if parts.headers.contains_key(idempotency::IDEMPOTENCY_KEY) => {
                let key = "the key of a request is for one call: give each its own idempotencyKey";
                self.answer(&caller, context, Err(Fault::no_call(key))).await
            }
            Ok(Message::Batch(calls)) => self.answer_all(&caller, &context, calls).await,
            Err(fault) => self.answer(&caller, context, Err(fault)).await,
        };
        Ok(match answer {
            Some(answer) => content(StatusCode::OK, "application/json", answer.into()),
            None => empty(StatusCode::NO_CONTENT),
        })
    }

    async fn answer_all(
        &self,
        caller: &Caller<'_>,
        context: &Context,
        calls: Vec<Result<Call<'_>, Fault>>,
    ) -> Option<Vec<u8>> {
        let mut answers = vec![b'['];
        for call in calls {
            let call = if answers.len() > MAX_ANSWER_BYTES { call.and_then(left_out) } else { call };
            if let Some(answer) = self.answer(caller, self.renewed(context), call).await {
                if answers.len() > 1 {
                    answers.push(b',');
                }
                answers.extend_from_slice(&answer);
            }
        }
        answers.push(b']');
        (answers.len() > 2).then_some(answers)
    }

    /// The answer to one call, which counts like a request where it is answered; a notification has none.
    async fn answer(&self, caller: &Caller<'_>, context: Context, call: Result<Call<'_>, Fault>) -> Option<Vec<u8>> {
        let operation = call.as_ref().ok().and_then(|call| self.method(&call.method));
        let class = operation.map_or(RateClass::Standard, |operation| operation.row().rate);
        let id = call.as_ref().ok().and_then(|call| call.id);
        let mut step = call.as_ref().map_err(Fault::clone).and_then(|call| self.step(caller, operation, call));
        let is_counted = matches!(step, Ok(Step::Ask(..))) || caller.parts.extensions.get::<Uncounted>().is_some();
        if !is_counted && let Err(error) = self.rates.charge(class, &context, peer(caller.parts), caller.toll).await {
            step = Err(Fault::of(error));
        }
        let answered = match step {
            Ok(Step::Nothing) => return None,
            Ok(Step::Discover(id)) => self.discovery().map(|methods| success(id, methods)).map_err(Fault::of),
            Ok(Step::Ask(ask, call)) => {
                asked(ask, caller.parts, call.text, Counted::There(caller.toll)).await.map_err(Fault::of)
            }
            Ok(Step::Call { operation, id, key, input }) => {
                let called = self.call(operation, context, key, input).await;
                called.map(|result| success(id, &result)).map_err(Fault::of)
            }
            Err(fault) => Err(fault),
        };
        Some(answered.unwrap_or_else(|fault| {
            let fault = fault.with_id(id);
            fault.error.log(caller.request_id);
            failure(&fault, caller.request_id)
        }))
    }

    /// What there is to do for a call.
    fn step<'a>(
        &self,
        caller: &'a Caller<'_>,
        operation: Option<&'a Operation<S>>,
        call: &'a Call<'_>,
    ) -> Result<Step<'a, S>, Fault> {
        let Some(id) = call.id else {
            return match operation {
                Some(operation) if !operation.row().is_bodyless() => {
                    Err(Fault::no_call("what changes something is no notification: give it an id"))
                }
                // Nobody would hear what came of it.
                _ => Ok(Step::Nothing),
            };
        };
        let Some(operation) = operation else {
            return if call.method == DISCOVER { Ok(Step::Discover(id)) } else { Err(Fault::no_method(&call.method)) };
        };
        if let Some(ask) = self.elsewhere(operation.row(), call) {
            return Ok(Step::Ask(ask, call));
        }
        let of_request = caller.key.as_ref().map_err(|error| Fault::of(error.clone()))?;
        let key = call.idempotency_key.as_deref().or(of_request.as_deref());
        Ok(Step::Call { operation, id, key, input: call.params })
    }

    /// Who answers the call, if that is another instance.
    fn elsewhere(&self, row: &Row, call: &Call<'_>) -> Option<Ask> {
        let find = self.options.elsewhere.as_ref()?;
        let input: Map<String, Value> = serde_json::from_str(call.params).ok()?;
        find(&row.method, &row.path_of(&input)?)
    }
}

/// A call that comes after answers that are large enough already.
fn left_out(call: Call<'_>) -> Result<Call<'_>, Fault> {
    let message = "the answers to the calls before are too large: this one was not carried out, so send it again";
    Err(Fault::of(ApiError::new(ErrorCode::PayloadTooLarge, message)).with_id(call.id))
}

/// Where a call counts that another instance answers.
pub(super) enum Counted<'a> {
    /// It was counted here.
    Here,
    /// It counts there, and the caller is told what is left of it.
    There(&'a Toll),
}

/// Has another instance answer one call, which is written in JSON-RPC.
pub(super) async fn asked(ask: Ask, parts: &Parts, call: &str, counted: Counted<'_>) -> Result<Vec<u8>, ApiError> {
    let mut request = Request::new(call.to_owned());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = under(&parts.uri, PATH)?;
    *request.headers_mut() = parts.headers.clone();
    request.headers_mut().insert(CONTENT_LENGTH, call.len().into());
    if matches!(counted, Counted::Here) {
        request.extensions_mut().insert(Uncounted);
    }
    let Some(answer) = ask(request).await else {
        return Err(ApiError::new(ErrorCode::Unavailable, "the session cannot be reached at the moment: try again"));
    };
    if let Counted::There(toll) = counted {
        toll.was_charged_elsewhere(answer.headers());
    }
    Ok(answer.into_body().into())
}

/// The same host with another path.
fn under(uri: &Uri, path: &'static str) -> Result<Uri, ApiError> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::from_static(path));
    Uri::from_parts(parts).map_err(|error| ApiError::internal(format!("no URI: {error}")))
}
