//! The path templates of the tables: literal segments, `{name}`, and a last `{*name}` that takes the rest.

/// A template that was found well formed.
#[derive(Debug)]
pub(crate) struct Template {
    /// The names in order of appearance.
    pub(crate) names: Vec<&'static str>,
    /// The template with its names left out: two templates of one shape answer the same paths.
    pub(crate) shape: String,
}

impl Template {
    /// Reads a template, or says what is wrong with it.
    pub(crate) fn parse(path: &'static str) -> Result<Self, &'static str> {
        let rest = path.strip_prefix('/').ok_or("it must begin with '/'")?;
        let mut names = Vec::new();
        let mut shape = String::with_capacity(path.len());
        let mut segments = rest.split('/').peekable();
        while let Some(segment) = segments.next() {
            shape.push('/');
            let last = segments.peek().is_none();
            match segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
                None if is_literal(segment) || (segment.is_empty() && rest.is_empty()) => {
                    shape.push_str(segment);
                }
                None => return Err("a segment is a literal or one {name}"),
                Some(name) => {
                    let (name, mark) = match name.strip_prefix('*') {
                        Some(name) if last => (name, "{*}"),
                        Some(_) => return Err("{*name} must come last"),
                        None => (name, "{}"),
                    };
                    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
                        return Err("a name is made of letters and digits");
                    }
                    if names.contains(&name) {
                        return Err("a name may stand only once");
                    }
                    names.push(name);
                    shape.push_str(mark);
                }
            }
        }
        Ok(Self { names, shape })
    }
}

fn is_literal(segment: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    !segment.is_empty() && segment.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_and_shape() {
        let template = Template::parse("/api/sessions/{id}/files/{*path}").unwrap();
        assert_eq!(template.names, ["id", "path"]);
        assert_eq!(template.shape, "/api/sessions/{}/files/{*}");
        assert_eq!(Template::parse("/").unwrap().shape, "/");
    }

    #[test]
    fn refuses_what_a_router_would_choke_on() {
        for bad in ["api", "", "/a//b", "/a/", "/:id", "/{a}x", "/{*a}/b", "/{}", "/{a}/{a}", "/{a_b}"] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }
}
