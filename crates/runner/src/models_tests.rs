use super::*;

/// As Gemini CLI has it.
fn with_set_model() -> Value {
    json!({"models": {
        "currentModelId": "auto",
        "availableModels": [{"modelId": "auto", "name": "Auto", "description": "Chooses"}, {"modelId": "pro"}, {}, 7],
    }})
}

/// As Claude Code, Codex and OpenCode have it.
fn with_option(current: &str) -> Value {
    json!({"configOptions": [
        {"id": "mode", "category": "mode", "type": "select", "currentValue": "a", "options": [{"value": "a", "name": "A"}]},
        {"id": "llm", "category": "model", "type": "select", "currentValue": current, "options": [
            {"value": "p/one", "name": "One"},
            {"group": "others", "name": "Others", "options": [
                {"value": "q/two", "name": "Two"}, {"value": "p/three", "name": null}, {"value": "four", "name": "Four"},
            ]},
        ]},
    ]})
}

fn choice(result: &Value) -> (ModelChoice, Vec<RunnerEvent>) {
    let (mut choice, mut out) = (ModelChoice::default(), Vec::new());
    choice.begin(Models::decode(result), "Agent".to_owned(), &mut out);
    (choice, out)
}

fn told(out: &[RunnerEvent]) -> Vec<(String, Vec<String>)> {
    let [RunnerEvent::Models { models }] = out else {
        panic!("{out:?}");
    };
    let ids = |models: &[Model]| models.iter().map(|model| format!("{} {}", model.id, model.name)).collect();
    models.iter().map(|provider| (provider.provider.clone(), ids(&provider.models))).collect()
}

fn missing(out: &[RunnerEvent]) -> Vec<(&str, &str, &str)> {
    let switch = |event: &'_ RunnerEvent| matches!(event, RunnerEvent::ModelSwitched { .. });
    assert!(out.iter().all(switch), "{out:?}");
    out.iter()
        .filter_map(|event| match event {
            RunnerEvent::ModelSwitched { from_model, to_model, reason, .. } => {
                Some((from_model.as_str(), to_model.as_str(), reason.as_str()))
            }
            _ => None,
        })
        .collect()
}

#[test]
fn lists_are_told_by_provider() {
    let (_, out) = choice(&with_set_model());
    assert_eq!(told(&out), [("Agent".to_owned(), vec!["auto Auto".to_owned(), "pro pro".to_owned()])]);
    let (_, out) = choice(&with_option("four"));
    let provider = |name: &str, models: &[&str]| (name.to_owned(), models.iter().map(|&id| id.to_owned()).collect());
    let expected = [
        provider("p", &["p/one One", "p/three p/three"]),
        provider("q", &["q/two Two"]),
        provider("Agent", &["four Four"]),
    ];
    assert_eq!(told(&out), expected);
}

#[test]
fn options_win_over_the_older_list() {
    let mut both = with_set_model();
    both["configOptions"] = with_option("four")["configOptions"].take();
    assert_eq!(Models::decode(&both), Models::decode(&with_option("four")));
}

#[test]
fn odd_lists_are_none() {
    for odd in [
        json!(null),
        json!({"models": null, "configOptions": null}),
        json!({"models": {"availableModels": []}}),
        json!({"models": {"availableModels": {"modelId": "x"}}}),
        json!({"models": {"availableModels": [{"modelId": ""}, {"modelId": "m".repeat(MAX_ID + 1)}]}}),
        json!({"configOptions": [{"category": "model", "options": [{"value": "x"}]}]}),
        json!({"configOptions": [{"id": "fast", "category": "model", "type": "boolean", "currentValue": true}]}),
        json!({"configOptions": [{"id": "x", "category": "thought_level", "options": [{"value": "x"}]}]}),
    ] {
        assert_eq!(Models::decode(&odd), None, "{odd}");
        assert_eq!(choice(&odd).1, []);
    }
}

#[test]
fn a_list_is_bounded() {
    let many: Vec<Value> = (0..2_000).map(|n| json!({"modelId": n.to_string(), "name": "n".repeat(9_000)})).collect();
    let (_, out) = choice(&json!({"models": {"availableModels": many}}));
    let [RunnerEvent::Models { models }] = out.as_slice() else {
        panic!("{out:?}");
    };
    assert_eq!(models[0].models.len(), MAX_MODELS);
    assert!(models[0].models[0].name.len() <= MAX_NAME + 8);
}

#[test]
fn a_model_is_asked_for_once() {
    let (mut choice, mut out) = choice(&with_option("p/one"));
    out.clear();
    assert_eq!(choice.wish("s", "m1", (Some("p/one"), &[]), &mut out), None, "it is used already");
    assert_eq!(choice.wish("s", "m1", (None, &[]), &mut out), None, "nobody asks for another one");
    let wish = choice.wish("s", "m1", (Some("q/two"), &[]), &mut out).unwrap();
    assert_eq!(wish.method, "session/set_config_option");
    assert_eq!(wish.params, json!({"sessionId": "s", "configId": "llm", "value": "q/two"}));
    choice.answered("m1", wish.model, Ok(with_option("q/two")), &mut out);
    assert_eq!(choice.wish("s", "m2", (Some("q/two"), &[]), &mut out), None);
    assert_eq!(out, []);
}

#[test]
fn an_agent_with_the_older_list_is_asked_in_its_way() {
    let (mut choice, mut out) = choice(&with_set_model());
    let wish = choice.wish("s", "m1", (Some("pro"), &[]), &mut out).unwrap();
    assert_eq!((wish.method, wish.params), ("session/set_model", json!({"sessionId": "s", "modelId": "pro"})));
    choice.answered("m1", wish.model, Ok(Value::Null), &mut out);
    assert_eq!(choice.wish("s", "m2", (Some("pro"), &[]), &mut out), None);
}

#[test]
fn the_first_preference_that_the_agent_has_is_used() {
    let (mut choice, mut out) = choice(&with_option("p/one"));
    out.clear();
    let preferences = ["x/none".to_owned(), "q/two".to_owned(), "four".to_owned()];
    let wish = choice.wish("s", "m1", (None, &preferences), &mut out).unwrap();
    assert_eq!(wish.model, "q/two");
    let wish = choice.wish("s", "m1", (Some("four"), &preferences), &mut out).unwrap();
    assert_eq!(wish.model, "four", "what is named wins");
    assert_eq!(choice.wish("s", "m1", (None, &["x/none".to_owned()]), &mut out), None);
    assert_eq!(out, [], "preferences are no promise");
}

#[test]
fn what_is_missing_is_said_once() {
    let (mut choice, mut out) = choice(&with_option("p/one"));
    out.clear();
    for prompt in ["m1", "m2"] {
        assert_eq!(choice.wish("s", prompt, (Some("x/none"), &[]), &mut out), None);
    }
    assert_eq!(missing(&out), [("x/none", "p/one", "the agent does not have it")]);
    assert!(choice.wish("s", "m3", (Some("q/two"), &[]), &mut out).is_some());
    choice.answered("m3", "q/two".to_owned(), Ok(Value::Null), &mut out);
    assert_eq!(choice.wish("s", "m4", (Some("x/none"), &[]), &mut out), None);
    assert_eq!(missing(&out).last(), Some(&("x/none", "q/two", "the agent does not have it")), "again after a change");
}

#[test]
fn what_is_refused_is_said_once() {
    let (mut choice, mut out) = choice(&json!({"models": {"availableModels": [{"modelId": "a"}]}}));
    out.clear();
    for prompt in ["m1", "m2"] {
        let wish = choice.wish("s", prompt, (Some("a"), &[]), &mut out).unwrap();
        let error = RpcError::new(-32602, "no credit");
        choice.answered(prompt, wish.model, Err(refusal(&error)), &mut out);
    }
    assert_eq!(missing(&out), [("a", "default", "the agent refused it: no credit (-32602)")]);
}

#[test]
fn an_agent_without_models_is_left_alone() {
    let (mut choice, mut out) = choice(&Value::Null);
    assert_eq!(choice.wish("s", "m1", (Some("a"), &["b".to_owned()]), &mut out), None);
    choice.options_changed(&json!([{"id": "mode"}]), &mut out);
    assert_eq!(out, []);
}

#[test]
fn another_list_is_told_and_the_same_one_is_not() {
    let (mut choice, mut out) = choice(&with_option("p/one"));
    out.clear();
    choice.options_changed(&with_option("q/two")["configOptions"], &mut out);
    choice.options_changed(&json!([]), &mut out);
    assert_eq!(out, [], "only the present one differs");
    assert_eq!(choice.wish("s", "m1", (Some("q/two"), &[]), &mut out), None, "it is used by now");
    let fewer =
        json!([{"id": "llm", "category": "model", "currentValue": "a", "options": [{"value": "a", "name": "A"}]}]);
    choice.options_changed(&fewer, &mut out);
    assert_eq!(told(&out), [("Agent".to_owned(), vec!["a A".to_owned()])]);
    out.clear();
    choice.begin(Models::decode(&with_option("p/one")), "Agent".to_owned(), &mut out);
    assert_eq!(told(&out).len(), 3, "a start tells it again");
}
