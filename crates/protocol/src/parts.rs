//! The parts of a message on the wire: a list, or what clients of older versions know only alone and as an object: a
//! label, which has no type, a break of the session, a screenshot, or the end of a tunnel.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::message::Part;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Label {
    system_title: String,
    system_avatar_key: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Parts {
    List(Vec<Part>),
    Label(Label),
    Alone(Part),
}

/// Writes parts.
///
/// # Errors
/// That of the serializer.
pub fn serialize<S: Serializer>(parts: &Option<Vec<Part>>, serializer: S) -> Result<S::Ok, S::Error> {
    match parts.as_deref() {
        Some([Part::Label { system_title, system_avatar_key }]) => {
            Label { system_title: system_title.clone(), system_avatar_key: system_avatar_key.clone() }
                .serialize(serializer)
        }
        Some([part @ (Part::SessionBreak {} | Part::Screenshot(_) | Part::TunnelClosed { .. })]) => {
            part.serialize(serializer)
        }
        parts => parts.serialize(serializer),
    }
}

/// Reads parts.
///
/// # Errors
/// That of the deserializer, or that the parts are neither of both.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Part>>, D::Error> {
    let parts = Option::<Parts>::deserialize(deserializer)?;
    Ok(parts.map(|parts| match parts {
        Parts::List(list) => list,
        Parts::Label(Label { system_title, system_avatar_key }) => {
            vec![Part::Label { system_title, system_avatar_key }]
        }
        Parts::Alone(part) => vec![part],
    }))
}
