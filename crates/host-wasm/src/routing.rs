//! Which requests are for a Durable Object: those that change a session, sockets and event streams, which hear what happens
//! in no other place, and what a session is like, as only its object knows who has it open. All others are answered where
//! they arrive, as reading needs no object.

use portway_domain::ids::SessionId;

/// What stands in the place of a session's id in one path.
const JOIN: &str = "join";

/// Who answers a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// The instance of the Worker where it arrived.
    Here,
    /// The object of a session.
    Session(SessionId),
    /// The object of all users.
    Users,
}

impl Destination {
    /// Of a request with that method and path, which asks for a WebSocket or does not. Nothing but paths of the API goes to
    /// an object: what instances tell each other has other ones.
    #[must_use]
    pub fn of(method: &str, path: &str, is_upgrade: bool) -> Self {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match segments[..] {
            ["api", "events", "ws"] if is_upgrade => Self::Users,
            ["api", "events"] if method == "GET" => Self::Users,
            ["api", "sessions", id] | ["api", "sessions", id, "events"] if method == "GET" => Self::session(id),
            ["api", "sessions", id, ..] if is_upgrade || changes(method) => Self::session(id),
            _ => Self::Here,
        }
    }

    fn session(id: &str) -> Self {
        if id == JOIN {
            return Self::Here;
        }
        SessionId::parse(id).map_or(Self::Here, Self::Session)
    }
}

fn changes(method: &str) -> bool {
    matches!(method, "POST" | "PUT" | "PATCH" | "DELETE")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: &str) -> Destination {
        Destination::Session(SessionId::parse(id).unwrap())
    }

    #[test]
    fn what_changes_a_session_is_for_its_object() {
        for (method, path) in
            [("PATCH", "/api/sessions/a"), ("POST", "/api/sessions/a/messages"), ("DELETE", "/api/sessions/a/queue/b")]
        {
            assert_eq!(Destination::of(method, path, false), session("a"), "{path}");
        }
    }

    #[test]
    fn sockets_are_for_objects() {
        assert_eq!(Destination::of("GET", "/api/sessions/a/ws", true), session("a"));
        assert_eq!(Destination::of("GET", "/api/events/ws", true), Destination::Users);
        assert_eq!(Destination::of("GET", "/api/events/ws", false), Destination::Here);
    }

    #[test]
    fn who_has_a_session_open_is_known_to_its_object() {
        assert_eq!(Destination::of("GET", "/api/sessions/a", false), session("a"));
        assert_eq!(Destination::of("GET", "/api/sessions/join", false), Destination::Here);
    }

    #[test]
    fn event_streams_are_for_objects() {
        assert_eq!(Destination::of("GET", "/api/sessions/a/events", false), session("a"));
        assert_eq!(Destination::of("GET", "/api/events", false), Destination::Users);
    }

    #[test]
    fn everything_else_stays() {
        for (method, path) in [
            ("GET", "/api/sessions"),
            ("GET", "/api/sessions/"),
            ("GET", "/api/sessions/a/messages"),
            ("HEAD", "/api/sessions/a/messages"),
            ("OPTIONS", "/api/sessions/a"),
            ("POST", "/api/sessions"),
            ("POST", "/api/sessions/join/token"),
            ("POST", "/api/sessions/"),
            ("POST", "/api/sessions/%61/messages"),
            ("POST", "/publish"),
            ("POST", "//publish"),
            ("POST", "/api/me/memories"),
            ("POST", "/api/events"),
            ("GET", "/api/sessions/join/events"),
            ("GET", "/api/sessions/a/events/b"),
        ] {
            assert_eq!(Destination::of(method, path, false), Destination::Here, "{method} {path}");
        }
        assert_eq!(Destination::of("GET", "/publish", true), Destination::Here);
    }
}
