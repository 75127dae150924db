//! Resources that always say the same.

use serde_json::{Map, Value, json};

use crate::content::PNG;

/// How the URIs of the template begin and end.
const TEMPLATE: (&str, &str) = ("test://template/", "/data");

/// All that are listed.
pub(crate) fn all() -> Vec<Value> {
    let resource = |uri: &str, name: &str, description: &str, mime_type: &str| json!({ "uri": uri, "name": name, "description": description, "mimeType": mime_type });
    vec![
        resource("test://static-text", "static-text", "A text that never changes", "text/plain"),
        resource("test://static-binary", "static-binary", "A picture that never changes", "image/png"),
        resource("test://watched-resource", "watched-resource", "A text to subscribe to", "text/plain"),
    ]
}

/// The template.
pub(crate) fn templates() -> Vec<Value> {
    let (start, end) = TEMPLATE;
    vec![json!({
        "uriTemplate": format!("{start}{{id}}{end}"),
        "name": "template",
        "description": "Data with an id",
        "mimeType": "application/json",
    })]
}

/// The result of reading a resource, if it is one of these.
pub(crate) fn read(params: &Map<String, Value>) -> Option<Value> {
    let uri = params.get("uri")?.as_str()?;
    let text = |text: &str| json!({ "uri": uri, "mimeType": "text/plain", "text": text });
    let content = match uri {
        "test://static-text" => text("This is the content of the static text resource."),
        "test://static-binary" => json!({ "uri": uri, "mimeType": "image/png", "blob": PNG }),
        "test://watched-resource" => text("This is the content of the watched resource."),
        _ => of_template(uri)?,
    };
    Some(json!({ "contents": [content] }))
}

fn of_template(uri: &str) -> Option<Value> {
    let id = uri.strip_prefix(TEMPLATE.0)?.strip_suffix(TEMPLATE.1)?;
    if id.is_empty() || id.contains('/') {
        return None;
    }
    let data = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
    Some(json!({ "uri": uri, "mimeType": "application/json", "text": data.to_string() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_uri(uri: &str) -> Option<Value> {
        read(&Map::from_iter([("uri".to_owned(), uri.into())]))
    }

    #[test]
    fn all_that_is_listed_can_be_read() {
        for resource in all() {
            let result = read_uri(resource["uri"].as_str().unwrap()).unwrap();
            assert_eq!(result["contents"][0]["mimeType"], resource["mimeType"], "{resource}");
        }
    }

    #[test]
    fn a_template_takes_one_segment() {
        let data = read_uri("test://template/123/data").unwrap();
        assert!(data["contents"][0]["text"].as_str().unwrap().contains("Data for ID: 123"));
        for uri in ["test://template//data", "test://template/1/2/data", "test://template/1", "test://else"] {
            assert_eq!(read_uri(uri), None, "{uri}");
        }
    }
}
