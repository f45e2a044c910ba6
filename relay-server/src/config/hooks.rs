//! Options of webhooks, `[hooks]` and `[hooks.applications]`.

use super::ConfigError;
use super::accounts::secret;
use super::value::{Given, closest};
use crate::hooks::{HookMethod, OnError};
use core::time::Duration;
use offhook_sip::auth::Secret;
use reqwest::Url;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Webhooks as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookSettings {
    /// Time limit for a request.
    pub timeout: Duration,
    /// Maximum number of queued events of an application.
    pub queue: usize,
    /// Number of requests for an event.
    pub attempts: u32,
    /// Maximum number of concurrent requests to an application.
    pub concurrency: usize,
    /// File of certification authorities, in addition to those of the system.
    pub authorities: Option<PathBuf>,
    /// The applications by name.
    pub applications: BTreeMap<String, ApplicationSettings>,
}

impl Default for HookSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            queue: 10_000,
            attempts: 6,
            concurrency: 64,
            authorities: None,
            applications: BTreeMap::new(),
        }
    }
}

/// An application as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationSettings {
    /// The `appKey` of its clients; `*`: of all clients that have no other application.
    pub app_key: String,
    /// The URL of its methods, without the name of the method.
    pub url: Option<Url>,
    /// The enabled methods.
    pub methods: BTreeSet<HookMethod>,
    /// The user name for HTTP Basic authentication.
    pub user: String,
    /// The password for HTTP Basic authentication.
    pub password: Option<Secret>,
    /// The key of the signatures.
    pub secret: Option<Secret>,
    /// The consequence of a failure, by method.
    pub on_error: BTreeMap<HookMethod, OnError>,
}

impl Default for ApplicationSettings {
    fn default() -> Self {
        Self {
            app_key: "*".to_owned(),
            url: None,
            methods: BTreeSet::new(),
            user: String::new(),
            password: None,
            secret: None,
            on_error: BTreeMap::new(),
        }
    }
}

/// The names of the options of an application.
const OPTIONS: [&str; 8] = ["app_key", "url", "methods", "user", "password", "password_file", "secret", "secret_file"];

/// The minimum length of `secret`, in octets: that of the hash.
const SECRET_LENGTH: usize = 32;

/// Returns whether `name` is a section within `[hooks]`.
pub(super) fn is_section(name: &str) -> bool {
    match name.strip_prefix("applications") {
        Some("") => true,
        Some(rest) => {
            let parts: Vec<&str> = rest.split('.').skip(1).collect();
            matches!(parts[..], [_] | [_, "on_error"])
        }
        None => false,
    }
}

/// Returns the name of an option in an environment variable: `applications_shop_url` is `applications.shop.url`. The
/// name of the application contains no `_` then.
pub(super) fn of_variable(name: &str) -> Option<String> {
    let (application, option) = name.strip_prefix("applications_")?.split_once('_')?;
    let option = option.strip_prefix("on_error_").map_or(option.to_owned(), |method| format!("on_error.{method}"));
    Some(format!("applications.{application}.{option}"))
}

/// Parses `timeout`. It is limited, because calls wait for it.
pub(super) fn timeout(given: &Given) -> Result<Duration, String> {
    given.some_duration()?;
    given.at_most(Duration::from_secs(30))
}

/// Sets an option of an application: `NAME.url`, `NAME.on_error.connect`.
pub(super) fn set(settings: &mut HookSettings, name: &str, given: &Given) -> Result<(), String> {
    let Some((application, option)) = name.split_once('.').filter(|(application, _)| !application.is_empty()) else {
        return Err(format!("`applications.{name}` is a section: write `[hooks.applications.{name}]`"));
    };
    let settings = settings.applications.entry(application.to_owned()).or_default();
    settings.set(option, given).map_err(|problem| format!("`applications.{application}.{option}`: {problem}"))
}

impl ApplicationSettings {
    fn set(&mut self, option: &str, given: &Given) -> Result<(), String> {
        match option {
            "app_key" => self.app_key = some_text(given)?,
            "url" => self.url = Some(url(given)?),
            "methods" => self.methods = methods(given)?,
            "user" => self.user = some_text(given)?,
            "password" => self.password = Some(secret(&some_text(given)?)),
            "password_file" => self.password = Some(secret(&file(given)?)),
            "secret" => self.secret = Some(signing_key(&some_text(given)?)?),
            "secret_file" => self.secret = Some(signing_key(&file(given)?)?),
            option => match option.strip_prefix("on_error.") {
                Some(name) => {
                    let choice = given.choice(&[("fail", OnError::Fail), ("log", OnError::Log)])?;
                    self.on_error.insert(method(name)?, choice);
                }
                None => return Err(unknown(option)),
            },
        }
        Ok(())
    }
}

fn unknown(option: &str) -> String {
    match closest(option, OPTIONS) {
        Some(meant) => format!("there is no such option; did you mean `{meant}`?"),
        None => format!("there is no such option; use one of: {}, on_error", OPTIONS.join(", ")),
    }
}

fn some_text(given: &Given) -> Result<String, String> {
    let text = given.one()?;
    if text.is_empty() || text.contains(char::is_control) {
        return Err("expected text without control characters".to_owned());
    }
    Ok(text.to_owned())
}

fn file(given: &Given) -> Result<String, String> {
    let path = given.path()?.ok_or("expected the path of a file")?;
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn signing_key(text: &str) -> Result<Secret, String> {
    if text.len() < SECRET_LENGTH {
        return Err(format!("the key is too short: use at least {SECRET_LENGTH} random characters"));
    }
    Ok(secret(text))
}

fn url(given: &Given) -> Result<Url, String> {
    let text = given.one()?;
    // The value can contain a password.
    let wrong = || {
        "not a URL of an application: use a form like `https://app.example.org/hooks`, without user, query and fragment"
            .to_owned()
    };
    let url: Url = text.parse().map_err(|_| wrong())?;
    let is_plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if matches!(url.scheme(), "http" | "https") && url.has_host() && is_plain { Ok(url) } else { Err(wrong()) }
}

fn method(name: &str) -> Result<HookMethod, String> {
    HookMethod::parse(name).ok_or_else(|| {
        let names = HookMethod::ALL.map(HookMethod::name);
        match closest(name, names) {
            Some(meant) => format!("there is no method `{name}`; did you mean `{meant}`?"),
            None => format!("there is no method `{name}`; use some of: {}", names.join(", ")),
        }
    })
}

/// Parses `methods`; `*` stands for all.
fn methods(given: &Given) -> Result<BTreeSet<HookMethod>, String> {
    let words = given.words();
    if words.iter().any(|word| word == "*") {
        return Ok(HookMethod::ALL.into());
    }
    words.iter().map(|word| method(word)).collect()
}

/// Checks the combination of the options.
pub(super) fn validate(settings: &HookSettings) -> Result<(), ConfigError> {
    let mut keys: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, application) in &settings.applications {
        let wrong = |problem: String| Err(ConfigError::new(format_args!("[hooks.applications.{name}]"), problem));
        if application.url.is_none() {
            return wrong("`url` is missing: set it to the URL of the application".to_owned());
        }
        if application.methods.is_empty() {
            return wrong("`methods` is empty: list the methods that the application implements, or \"*\"".to_owned());
        }
        if application.user.is_empty() != application.password.is_none() {
            return wrong("`user` and `password` are set together, or neither".to_owned());
        }
        if let Some(other) = keys.insert(&application.app_key, name) {
            return wrong(format!("`app_key` is that of `{other}`: each application needs its own"));
        }
    }
    Ok(())
}

/// Returns the lines of `[hooks]` for `offhook-relay check`, without secrets.
pub(super) fn explain(settings: &HookSettings) -> Vec<(String, String)> {
    let applications = settings.applications.iter().map(|(name, application)| {
        let url = application.url.as_ref().map(Url::to_string).unwrap_or_default();
        let methods: Vec<&str> = application.methods.iter().map(|method| method.name()).collect();
        let signed = if application.secret.is_some() { "signed" } else { "not signed" };
        let text = format!("{url} for appKey {}, {signed}: {}", application.app_key, methods.join(", "));
        (format!("hooks.applications.{name}"), text)
    });
    let authorities = settings.authorities.as_ref().map(|path| path.display().to_string());
    let authorities = authorities.unwrap_or_else(|| "those of the system".to_owned());
    let lines = [
        ("hooks.timeout", format!("{} s", settings.timeout.as_secs_f64())),
        ("hooks.queue", format!("{} events", settings.queue)),
        ("hooks.attempts", settings.attempts.to_string()),
        ("hooks.concurrency", format!("{} requests", settings.concurrency)),
        ("hooks.authorities", authorities),
    ];
    lines.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(applications).collect()
}

#[cfg(test)]
mod tests {
    use super::{HookMethod, OnError};
    use crate::config::{load, parse};

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn applications_are_read_from_file_and_variable() {
        let text = format!(
            "[hooks]\ntimeout = \"3s\"\n[hooks.applications.shop]\napp_key = \"shop\"\nurl = \"https://shop.test/hooks\"\n\
             methods = [\"connect\", \"callstatusevent\"]\nsecret = \"{SECRET}\"\n[hooks.applications.shop.on_error]\n\
             connect = \"log\"\n[hooks.applications.rest]\nurl = \"http://127.0.0.1:1\"\nmethods = \"*\"\n"
        );
        let settings = parse("relay.toml", &text).unwrap().hooks;
        let shop = &settings.applications["shop"];
        assert_eq!(shop.methods, [HookMethod::Connect, HookMethod::CallStatus].into());
        assert_eq!(shop.on_error[&HookMethod::Connect], OnError::Log);
        let rest = &settings.applications["rest"];
        assert_eq!((rest.app_key.as_str(), rest.methods.len()), ("*", HookMethod::ALL.len()));
        let variable = |name: &str, value: &str| (format!("OFFHOOK_HOOKS_APPLICATIONS_SHOP_{name}"), value.to_owned());
        let variables =
            [variable("URL", "https://shop.test/"), variable("METHODS", "call"), variable("SECRET", SECRET)];
        let loaded = load(None, variables, &[]).unwrap().hooks;
        assert_eq!(loaded.applications["shop"].methods, [HookMethod::Call].into());
        assert!(loaded.applications["shop"].secret.is_some());
    }

    #[test]
    fn wrong_values_are_rejected_with_the_name_of_the_option() {
        let cases = [
            ("url = \"ftp://shop.test\"", "applications.shop.url"),
            ("url = \"https://user:word@shop.test\"", "applications.shop.url"),
            ("methods = [\"conect\"]", "did you mean `connect`"),
            ("secret = \"short\"", "applications.shop.secret"),
            ("secret_file = \"/nowhere/at/all\"", "/nowhere/at/all"),
            ("metods = \"*\"", "did you mean `methods`"),
            ("on_error = \"log\"", "on_error"),
            ("[hooks.applications.shop.on_error]\ncall = \"maybe\"", "on_error.call"),
            ("url = \"https://shop.test\"", "`methods` is empty"),
            ("methods = \"*\"", "`url` is missing"),
            ("url = \"https://shop.test\"\nmethods = \"*\"\nuser = \"relay\"", "`password`"),
        ];
        for (line, part) in cases {
            let error = parse("relay.toml", &format!("[hooks.applications.shop]\n{line}\n")).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("word@"), "{line}: {error}");
        }
        let double = "[hooks.applications.a]\nurl = \"https://a.test\"\nmethods = \"*\"\n";
        let error = parse("relay.toml", &format!("{double}{}", double.replace(".a]", ".b]"))).unwrap_err().to_string();
        assert!(error.contains("`app_key`"), "{error}");
        let error = parse("relay.toml", "[hooks]\napplications = 3\n").unwrap_err().to_string();
        assert!(error.contains("[hooks.applications]"), "{error}");
    }
}
