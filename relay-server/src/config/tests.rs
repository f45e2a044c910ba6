use super::{DatabaseLocation, Given, OPTIONS, Settings, explain, load, overlooked, parse};
use core::time::Duration;
use offhook_b2bua::config::CallWaiting;

const EXAMPLE: &str = include_str!("../../../relay.example.toml");

fn error_of(text: &str) -> String {
    parse("relay.toml", text).expect_err("refused").to_string()
}

#[test]
fn example_contains_the_defaults() {
    assert_eq!(parse("relay.example.toml", EXAMPLE).unwrap(), Settings::default());
}

#[test]
fn example_and_check_contain_every_option() {
    let check = explain(&Settings::default());
    for option in OPTIONS {
        let (nested, name) = option
            .name
            .rsplit_once('.')
            .map_or((String::new(), option.name), |(nested, name)| (format!(".{nested}"), name));
        let (_, rest) = EXAMPLE.split_once(&format!("\n[{}{nested}]\n", option.section)).expect("the section");
        let section = rest.split_once("\n[").map_or(rest, |(section, _)| section);
        let mentioned = section.lines().any(|line| {
            line.trim_start_matches('#').split_once('=').is_some_and(|(written, _)| written.trim() == name)
        });
        assert!(mentioned, "{}.{} is missing in relay.example.toml", option.section, option.name);
        assert!(check.contains(&format!("{}.{} ", option.section, option.name)), "{}", option.name);
    }
}

#[test]
fn commented_examples_are_valid() {
    let uncommented = EXAMPLE.replace("\n#plain", "\nplain").replace("\n#tls", "\ntls");
    let uncommented = uncommented.replace("\n#listen", "\nlisten");
    let uncommented = uncommented.replace("domain = \"\"", "domain = \"pbx.test\"").replace("\n#101", "\n101");
    let settings = parse("relay.example.toml", &uncommented).unwrap();
    assert_eq!(settings.listen_plain.unwrap().len(), 2);
    assert_eq!(settings.listen_tls.unwrap().len(), 2);
    assert_eq!((settings.sip.listen.unwrap().len(), settings.sip.phones.len()), (3, 1));
}

#[test]
fn invalid_option_is_rejected_with_line_and_suggestion() {
    assert_eq!(
        error_of("[listen]\nplain = []\n\n[calls]\nring_timout = \"30s\"\n"),
        "relay.toml:5: `ring_timout` is not an option of [calls]; did you mean `ring_timeout`?"
    );
    assert_eq!(
        error_of("\n[media]\nring_timeout = 3\n"),
        "relay.toml:3: `ring_timeout` is not an option of [media]; it is an option of `[calls]`"
    );
    assert_eq!(error_of("[cals]\n"), "relay.toml:1: there is no section [cals]; did you mean `[calls]`?");
    assert_eq!(
        error_of("\nring_timeout = 3\n"),
        "relay.toml:2: `ring_timeout` is outside of any section; it is an option of `[calls]`"
    );
    assert_eq!(
        error_of("[media]\nport = 70000\n"),
        "relay.toml:2: `port`: `70000` is not a whole number from 0 to 65535"
    );
    assert_eq!(
        error_of("[calls]\ncall_waiting = true\n"),
        "relay.toml:2: `call_waiting`: `true` is not a valid value: use `rings` or `busy`"
    );
    assert!(
        error_of("[listen]\nplain = [\n  \"0.0.0.0\",\n]\n").starts_with("relay.toml:2: `plain`: `0.0.0.0` is not")
    );
    assert!(error_of("[listen]\nplain = \n").starts_with("relay.toml:2: "), "a TOML syntax error has a line");
    assert!(error_of("[calls]\nring_timeout = 1.5\n").starts_with("relay.toml:2: a float is not a valid value"));
    assert!(error_of("[accounts]\nalice = \"secret\"\n").contains("hash-password"));
    assert!(!error_of("[accounts]\nalice = \"secret\"\n").contains("secret"), "errors contain no passwords");
    assert!(error_of("[tls]\nkey = \"k.pem\"\n").contains("without `certificate`"));
}

#[test]
fn durations_have_units() {
    for (written, millis) in [("\"250ms\"", 250), ("\"30s\"", 30_000), ("30", 30_000), ("\"2m\"", 120_000)] {
        let settings = parse("relay.toml", &format!("[calls]\nring_timeout = {written}\n")).unwrap();
        assert_eq!(settings.ring_timeout, Duration::from_millis(millis), "{written}");
    }
    for wrong in ["\"\"", "\"s\"", "\"1 fortnight\"", "\"-1s\"", "0", "\"99999999999h\""] {
        assert!(error_of(&format!("[calls]\nring_timeout = {wrong}\n")).starts_with("relay.toml:2: `ring_timeout`: "));
    }
}

#[test]
fn flags_override_environment_and_environment_overrides_file() {
    let directory = std::env::temp_dir().join(format!("offhook-config-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("relay.toml");
    let text = "[calls]\nring_timeout = 1\ncall_waiting = \"busy\"\n[media]\nport = 1\n[signaling]\nping_probes = 1\n";
    std::fs::write(&file, text).unwrap();
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let environment = [
        variable("OFFHOOK_MEDIA_PORT", "2"),
        variable("OFFHOOK_SIGNALING_PING_PROBES", "2"),
        variable("OFFHOOK_MEDIA_ADDRESS", "127.0.0.1, ::1"),
        variable("OFFHOOK_LOG", "debug"),
        variable("HOME", "/"),
    ];
    let flags = [("signaling.ping_probes".to_owned(), Given::Text("3".to_owned()))];
    let settings = load(Some(&file), environment, &flags).unwrap();
    assert_eq!((settings.ring_timeout, settings.call_waiting), (Duration::from_secs(1), CallWaiting::Busy));
    assert_eq!((settings.media_port, settings.ping_probes, settings.media_address.len()), (2, 3, 2));
    std::fs::remove_dir_all(&directory).unwrap();

    let bad = [variable("OFFHOOK_MEDIA_PROT", "2")];
    let error = load(None, bad, &[]).unwrap_err().to_string();
    assert_eq!(error, "OFFHOOK_MEDIA_PROT: `prot` is not an option of [media]; did you mean `port`?");
    let error = load(None, [], &[("media.prot".to_owned(), Given::Text("1".to_owned()))]).unwrap_err().to_string();
    assert!(error.starts_with("--set media.prot: "), "{error}");
}

#[test]
fn login_that_could_not_be_called_is_rejected() {
    let hash = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$qqSCqQPLbO7RKU+qFwvGng";
    let account = |login: &str| parse("relay.toml", &format!("[accounts]\n\"{login}\" = \"{hash}\"\n"));
    let long = "x".repeat(128);
    for good in ["alice", "4711", "+4930123", "al ice", "Zoë", "telephone", "a.b-c_d", &long] {
        assert!(account(good).is_ok(), "{good}: {:?}", account(good));
    }
    let longer = "x".repeat(129);
    let wrong = [
        ("", "empty"),
        (&*longer, "129 octets"),
        ("a\\u0007b", "control character"),
        ("alice@example.org", "`@`"),
        ("a;b", "`;`"),
        ("a?b", "`?`"),
        ("<a", "`<`"),
        ("a>", "`>`"),
        (" alice", "white space"),
        ("alice ", "white space"),
        ("sip:alice", "`sip:`"),
        ("SIPS:alice", "`sips:`"),
        ("tel:4711", "`tel:`"),
    ];
    for (login, why) in wrong {
        let error = account(login).expect_err(login).to_string();
        assert!(error.starts_with("relay.toml:2: ") && error.contains(why), "{login}: {error}");
    }
}

#[test]
fn unknown_codec_is_rejected() {
    let settings = parse("relay.toml", "[calls]\ncodecs = [\"OPUS\", \"pcmu\", \"H264\"]\n").unwrap();
    assert_eq!(settings.codecs, ["OPUS", "pcmu", "H264"]);
    assert_eq!(
        error_of("[calls]\ncodecs = [\"PCMU\", \"opsu\"]\n"),
        "relay.toml:2: `codecs`: `opsu` is not a known codec; did you mean `opus`?"
    );
    assert!(error_of("[calls]\ncodecs = \"pmcu\"\n").ends_with("did you mean `PCMU`?"));
    assert!(error_of("[calls]\ncodecs = [\"something\"]\n").contains("use one of: opus, PCMU"));
}

#[test]
fn unreachable_address_is_rejected() {
    for (option, any) in [("address", "0.0.0.0"), ("address", "::"), ("public_address", "0.0.0.0")] {
        let error = error_of(&format!("[media]\n{option} = [\"127.0.0.1\", \"{any}\"]\n"));
        assert!(error.starts_with("relay.toml:2: ") && error.contains(&format!("`{any}`")), "{error}");
    }
    assert!(error_of("[listen]\nplain = []\ntls = []\n").starts_with("[listen]: `plain` and `tls` are both empty"));
    assert!(parse("relay.toml", "[listen]\nplain = []\n").is_ok());
    assert!(parse("relay.toml", "[listen]\ntls = []\n").is_ok());
}

#[test]
fn misspelt_variable_causes_a_warning() {
    let silent =
        ["OFFHOOK_LOG", "OFFHOOK_CONFIG", "OFFHOOK_CALLS_CODECS", "OFFHOOK_BROWSER_PATH", "CALS_CODECS", "HOME"];
    assert!(overlooked(silent).is_empty(), "{:?}", overlooked(silent));
    assert_eq!(
        overlooked(["OFFHOOK_CALS_CODECS"]),
        ["OFFHOOK_CALS_CODECS is ignored: there is no section CALS; did you mean OFFHOOK_CALLS_…?"]
    );
    assert_eq!(overlooked(["OFFHOOK_ACCOUNTS_ALICE"]).len(), 1);
}

#[test]
fn records_database_is_default_off_or_a_file() {
    let sqlite = |text: &str| parse("relay.toml", text).unwrap().records.sqlite;
    assert_eq!(sqlite(""), DatabaseLocation::Default);
    assert_eq!(sqlite("records.sqlite = \"\""), DatabaseLocation::Off);
    assert_eq!(sqlite("records.sqlite = \"/r\""), DatabaseLocation::File("/r".into()));
    assert_eq!(parse("relay.toml", "records.retention_days = 0").unwrap().records.retention, None);
}
