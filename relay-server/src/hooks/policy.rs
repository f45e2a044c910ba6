//! Policies of the methods: whether they are called, what their answers may change, and what follows from a failure.

use super::method::HookMethod;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The consequence of a refusal by the application, or of a failed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// The session, call or command is refused.
    Fail,
    /// The failure is logged.
    Log,
}

/// The fields that an answer may change.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Overwrite {
    All,
    Listed(BTreeSet<String>),
}

/// The policy of one method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MethodPolicy {
    pub(super) on_error: OnError,
    overwrite: Overwrite,
    /// Fields that the application does not receive.
    exclude: BTreeSet<String>,
}

impl MethodPolicy {
    pub(super) const fn new(on_error: OnError) -> Self {
        Self { on_error, overwrite: Overwrite::All, exclude: BTreeSet::new() }
    }

    /// Returns whether the relay waits for the answer: the answer can refuse or change something.
    pub(super) fn waits(&self) -> bool {
        let changes_nothing = matches!(&self.overwrite, Overwrite::Listed(fields) if fields.is_empty());
        self.on_error == OnError::Fail || !changes_nothing
    }

    /// Removes the fields that the application does not receive.
    pub(super) fn filter_body(&self, body: &mut Map<String, Value>) {
        body.retain(|name, _| !self.exclude.contains(name));
    }

    /// Returns those fields of an answer that differ from the request and may change it.
    pub(super) fn changes(&self, sent: &Map<String, Value>, answer: Map<String, Value>) -> Map<String, Value> {
        let is_allowed = |name: &str| match &self.overwrite {
            Overwrite::All => true,
            Overwrite::Listed(fields) => fields.contains(name),
        };
        let is_changed = |name: &str, value: &Value| sent.get(name) != Some(value);
        answer.into_iter().filter(|(name, value)| is_allowed(name) && is_changed(name, value)).collect()
    }
}

/// The policies of the enabled methods of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Policies(BTreeMap<HookMethod, MethodPolicy>);

impl Policies {
    /// Creates the policies of an application. The default of `on_error` is to fail.
    pub(super) fn new(methods: &BTreeSet<HookMethod>, on_error: &BTreeMap<HookMethod, OnError>) -> Self {
        let policy = |method: &HookMethod| {
            let on_error = on_error.get(method).copied().unwrap_or(OnError::Fail);
            (*method, MethodPolicy::new(on_error))
        };
        Self(methods.iter().map(policy).collect())
    }

    pub(super) fn of(&self, method: HookMethod) -> Option<&MethodPolicy> {
        self.0.get(&method)
    }

    /// Applies `restClientConfig` of an answer to `connect`. It applies to enabled methods; fields that it does not contain
    /// have the defaults of the Flashphoner server.
    pub(super) fn apply_client_config(&mut self, config: &Value) {
        let Some(config) = config.as_object() else { return };
        for (name, entry) in config {
            let (Some(method), Some(entry)) = (HookMethod::parse(name), entry.as_object()) else { continue };
            if !self.0.contains_key(&method) {
                continue;
            }
            match configured(entry) {
                Some(policy) => self.0.insert(method, policy),
                None => self.0.remove(&method),
            };
        }
    }
}

/// Returns the policy of a method in `restClientConfig`; `None` if the method is disabled.
fn configured(entry: &Map<String, Value>) -> Option<MethodPolicy> {
    let is = |field: &str, value: &str| {
        entry.get(field).and_then(Value::as_str).is_some_and(|found| found.eq_ignore_ascii_case(value))
    };
    if is("restPolicy", "DISABLE") || is("restPolicy", "DISABLED") {
        return None;
    }
    let overwrite = if is("restPolicy", "OVERWRITE") { fields(entry.get("restOverwrite")) } else { BTreeSet::new() };
    Some(MethodPolicy {
        on_error: if is("restOnError", "FAIL") { OnError::Fail } else { OnError::Log },
        overwrite: Overwrite::Listed(overwrite),
        exclude: fields(entry.get("restExclude")),
    })
}

/// Returns the names in a list that is separated by commas, or an array.
fn fields(value: Option<&Value>) -> BTreeSet<String> {
    let names: Vec<&str> = match value {
        Some(Value::String(text)) => text.split(',').collect(),
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    names.into_iter().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{HookMethod, Map, OnError, Policies, Value};
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }

    fn policies() -> Policies {
        Policies::new(&HookMethod::ALL.into(), &[(HookMethod::Hold, OnError::Log)].into())
    }

    #[test]
    fn configured_methods_may_change_all_fields() {
        let policies = policies();
        let call = policies.of(HookMethod::Call).unwrap();
        let changes = call.changes(
            &object(json!({"callee": "bob", "caller": "a"})),
            object(json!({"callee": "carol", "caller": "a"})),
        );
        assert_eq!(changes, object(json!({"callee": "carol"})));
        assert!(call.waits() && policies.of(HookMethod::Hold).unwrap().waits());
        assert_eq!(policies.of(HookMethod::Hold).unwrap().on_error, OnError::Log);
    }

    #[test]
    fn client_config_has_defaults_of_the_contract() {
        let mut policies = policies();
        let config = json!({
            "call": {"restPolicy": "OVERWRITE", "restOverwrite": "callee, other", "restOnError": "FAIL", "restExclude": "caller"},
            "hold": {},
            "unhold": {"restOnError": "FAIL"},
            "transfer": {"restPolicy": "DISABLE"},
            "unknown": {"restPolicy": "DISABLE"},
        });
        policies.apply_client_config(&config);
        let call = policies.of(HookMethod::Call).unwrap();
        let mut body = object(json!({"callee": "bob", "caller": "a"}));
        call.filter_body(&mut body);
        assert_eq!(body, object(json!({"callee": "bob"})));
        let changes = call.changes(&body, object(json!({"callee": "carol", "visibleName": "x"})));
        assert_eq!(changes, object(json!({"callee": "carol"})));
        let hold = policies.of(HookMethod::Hold).unwrap();
        assert!(!hold.waits() && hold.on_error == OnError::Log, "NOTIFY and LOG need no answer");
        let unhold = policies.of(HookMethod::Unhold).unwrap();
        assert!(unhold.waits() && unhold.changes(&body, object(json!({"callee": "x"}))).is_empty());
        assert_eq!(policies.of(HookMethod::Transfer), None);
        assert!(policies.of(HookMethod::Answer).is_some());
    }
}
