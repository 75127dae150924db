//! Finding what was said.

use std::time::Duration;

use portway_domain::search::Snippet;
use portway_ports::commit::{ChangeSet, Write};
use portway_ports::search::{FoundMessage, MessageSearch, Score};

use crate::error::Error;
use crate::{Context, Services};

/// Messages that are put into the index at once, when it is younger than they are.
const FILL: u32 = 50;

/// A message that was found, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageHit {
    /// The message.
    pub message: FoundMessage,
    /// How well it fits.
    pub score: Score,
    /// The part of it that has what was looked for.
    pub snippet: Snippet,
}

impl Services {
    /// Messages of the caller's sessions, the best first.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] without a valid token.
    pub async fn search_messages(&self, context: &Context, search: &MessageSearch) -> Result<Vec<MessageHit>, Error> {
        let seen = self.ports.store.search_messages(context.token()?, search).await?;
        context.admit(seen.caller)?;
        let hit = |hit: portway_ports::search::Hit<FoundMessage>| {
            let snippet = search.query.snippet(&hit.value.text);
            MessageHit { message: hit.value, score: hit.score, snippet }
        };
        Ok(seen.value.into_iter().map(hit).collect())
    }

    /// Puts messages into the search index that are older than it, until none is left. Run it beside everything else:
    /// until it ends, those messages are not found. Each step is small and durable, so a node that stops goes on where it
    /// was, and several nodes do no harm.
    pub async fn fill_search_index(&self) {
        loop {
            match self.fill_some_of_the_search_index().await {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, "older messages could not be put into the search index");
                    self.ports.clock.sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    /// One step of [`Services::fill_search_index`]. Answers how many messages were looked at; none means that it is done.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn fill_some_of_the_search_index(&self) -> Result<usize, Error> {
        let messages = self.ports.store.unindexed_messages(FILL).await?;
        if messages.is_empty() {
            return Ok(0);
        }
        let count = messages.len();
        let mut set = ChangeSet::new();
        for message in messages {
            set.push(Write::IndexMessage { session: message.session, message: message.message, text: message.text });
        }
        // A conflict means that another node was faster: what is left is read again.
        self.commit(set).await?;
        Ok(count)
    }
}
