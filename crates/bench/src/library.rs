//! Databases to search in: many messages of words that occur as often as words do.

use portway_domain::engine::Change;
use portway_domain::ids::{MessageId, SessionId, UserId};
use portway_domain::messages::{Message, MessageRole};
use portway_ports::commit::{ChangeSet, Write};

use crate::failure::Failure;
use crate::seed::Seed;
use crate::world::People;

/// Messages of the user who asks.
pub(crate) const OWN_MESSAGES: usize = 100_000;

/// For each of them so many of other people, in the database that has them.
const OTHERS_FOR_EACH: usize = 2;

/// Whose the messages of other people are.
const OTHER_USERS: usize = 20;

/// Messages of one session, which are one change set.
const SESSION: usize = 500;

/// Words of a message.
const WORDS: usize = 40;

/// Different words.
const VOCABULARY: u64 = 20_000;

/// A word of every second message.
pub(crate) const COMMON: &str = "common";

/// A word of one message in 10,000.
pub(crate) const RARE: &str = "needle";

impl Seed {
    /// Adds the messages of the user, and between them those of other people, as they would come.
    pub(crate) async fn library(&mut self, own: &UserId, people: People) -> Result<(), Failure> {
        let mut others = Vec::new();
        for number in 0..OTHER_USERS {
            others.push(self.person(number).await?);
        }
        let mut random = Random(17);
        for turn in 0..OWN_MESSAGES / SESSION {
            let session = self.sessions(own, 1).await?;
            self.talk(&session, &mut random).await?;
            for other in 0..OTHERS_FOR_EACH {
                if people == People::Crowded {
                    let owner = &others[(turn * OTHERS_FOR_EACH + other) % OTHER_USERS];
                    let session = self.sessions(owner, 1).await?;
                    self.talk(&session, &mut random).await?;
                }
            }
        }
        Ok(())
    }

    /// Fills a session with messages.
    async fn talk(&mut self, sessions: &[SessionId], random: &mut Random) -> Result<(), Failure> {
        let mut set = ChangeSet::new();
        for session in sessions {
            for position in 1..=SESSION as u64 {
                let id: MessageId = self.id();
                let message = Message {
                    id,
                    seq: position,
                    position,
                    role: MessageRole::User,
                    content: random.text(),
                    parts: Vec::new(),
                    author: None,
                    channel: None,
                    created_at: self.now(),
                };
                set.push(Write::Session { id: session.clone(), change: Change::MessageAdded(message) });
            }
        }
        self.commit(set).await
    }
}

/// The same words every time.
struct Random(u64);

impl Random {
    fn draw(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn text(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..WORDS {
            // The product of even draws makes the first words of the vocabulary common and the last ones rare.
            let word = self.draw(VOCABULARY) * self.draw(VOCABULARY) / VOCABULARY;
            text.push_str(&format!("{}{} ", ["word", "term", "thing", "name"][(word % 4) as usize], word / 4));
        }
        if self.draw(2) == 0 {
            text.push_str(COMMON);
        }
        if self.draw(10_000) == 0 {
            text.push(' ');
            text.push_str(RARE);
        }
        text
    }
}
