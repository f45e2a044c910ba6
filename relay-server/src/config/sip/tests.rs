use super::super::{Given, Settings, explain, load, parse};
use super::Verify;
use core::time::Duration;
use offhook_b2bua::config::{LoginName, MediaProfile, Servers, Srtp};
use offhook_sip::auth::{Hash, Login, Secret, Verifier};
use offhook_sip::transport::Transport;
use offhook_sip::user_agent::io::CalledNumberSource;

fn error_of(text: &str) -> String {
    parse("relay.toml", text).expect_err("refused").to_string()
}

fn accepted(text: &str) -> Settings {
    parse("relay.toml", text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn listen_address_has_a_transport_prefix() {
    let settings = accepted("[sip]\nlisten = [\"udp:0.0.0.0:5060\", \"TCP:[::1]:0\", \"tls:192.0.2.7:5061\"]\n");
    let listen = settings.sip.listen.unwrap();
    assert_eq!(
        listen.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["udp:0.0.0.0:5060", "tcp:[::1]:0", "tls:192.0.2.7:5061"]
    );
    for wrong in ["0.0.0.0:5060", "udp:0.0.0.0", "ws:0.0.0.0:80", "sctp:0.0.0.0:5060", "udp:localhost:5060", "udp"] {
        let error = error_of(&format!("[sip]\nlisten = [\"{wrong}\"]\n"));
        assert!(error.starts_with("relay.toml:2: `listen`: ") && error.contains("`udp:0.0.0.0:5060`"), "{error}");
    }
}

#[test]
fn servers_are_a_list_of_hosts_or_any() {
    let servers = |text: &str| accepted(&format!("[sip]\nservers = {text}\n")).sip.servers;
    assert_eq!(servers("[\"*\"]"), Servers::Any);
    let written =
        ["Example.ORG", "example.net.:443", "192.0.2.7", "192.0.2.8:5070", "2001:db8::7", "[2001:DB8::8]:443"];
    let Servers::Listed(listed) = servers(&format!("{written:?}")) else { panic!("a list") };
    let listed: Vec<String> = listed.iter().map(ToString::to_string).collect();
    let expected =
        ["192.0.2.7", "192.0.2.8:5070", "2001:db8::7", "[2001:db8::8]:443", "example.net:443", "example.org"];
    assert_eq!(listed, expected);
    for wrong in ["sip:example.org", "example.org:0", "example.org:99999", "[example.org]", "a b", "*.example.org", ""]
    {
        let text = format!("[sip]\nservers = [\"x\", \"{wrong}\"]\n");
        if wrong.is_empty() {
            accepted(&text);
        } else {
            assert!(error_of(&text).starts_with("relay.toml:2: `servers`: "), "{wrong}");
        }
    }
    assert!(error_of("[sip]\nservers = [\"*\", \"example.org\"]\n").contains("must be the only entry"));
}

#[test]
fn sip_is_off_unless_an_option_requires_it() {
    assert!(!Settings::default().sip.is_required());
    assert!(!accepted("[sip]\nservers = []\nlisten = []\n").sip.is_required());
    for text in [
        "[sip]\nservers = [\"example.org\"]\n",
        "[sip]\nlisten = [\"udp:127.0.0.1:0\"]\n",
        "[sip.phones]\n101 = \"secret\"\n",
        "[[sip.accounts]]\nlogin = \"alice\"\nuri = \"sip:4711@example.org\"\n",
        "[sip.trunk]\nuri = \"sip:4711@example.org\"\n",
    ] {
        assert!(accepted(text).sip.is_required(), "{text}");
    }
    let off = "[sip]\nlisten = []\nservers = [\"example.org\"]\n";
    assert!(error_of(off).starts_with("[sip]: `listen` is empty, which turns SIP off, but"));
}

#[test]
fn phone_has_a_password_or_a_hash() {
    let md5 = "0123456789abcdef0123456789ABCDEF";
    let settings = accepted(&format!(
        "[sip]\ndomain = \"PBX.test\"\n[sip.phones]\n101 = \"md5:{md5}\"\n102 = \"rose:tulip\"\n103 = \"tulip\"\n\
         104 = \"sha-256:{md5}{md5}\"\n"
    ));
    assert_eq!(settings.sip.domain, "pbx.test");
    let digits = |text: &str| Secret::new(text.to_ascii_lowercase());
    let sha = format!("{md5}{md5}");
    let wanted = [
        ("101", Verifier::Ha1 { hash: Hash::Md5, digits: digits(md5) }),
        ("102", Verifier::Password(Secret::new("rose:tulip"))),
        ("103", Verifier::Password(Secret::new("tulip"))),
        ("104", Verifier::Ha1 { hash: Hash::Sha256, digits: digits(&sha) }),
    ];
    assert_eq!(settings.sip.phones, wanted.map(|(user, verifier)| (user.to_owned(), verifier)).into());
    let homeless = error_of(&format!("[sip.phones]\n101 = \"md5:{md5}\"\n"));
    assert!(homeless.starts_with("[sip]: the password of phone `101` is hashed") && homeless.contains("`domain`"));
    assert!(error_of("[sip.phones]\n\"a@b\" = \"x\"\n").starts_with("relay.toml:2: the login `a@b` contains `@`"));
    assert!(error_of("[sip.phones]\na = \"\"\n").contains("is empty"));
    assert!(error_of("[sip]\nphones = \"a\"\n").ends_with("`phones` is a section: write `[sip.phones]`"));
}

#[test]
fn account_options_are_read_for_each_login() {
    let settings = accepted(
        "[sip]\nexpires = \"2m\"\n[[sip.accounts]]\nlogin = \"alice\"\nuri = \"sip:4711@example.org:5070\"\n\
         password = \"tulip\"\nname = \"Alice\"\ntransport = \"tcp\"\nproxy = [\"sip:192.0.2.7\", \"sip:p.test;lr\"]\n\
         [[sip.accounts]]\nlogin = \"bob\"\nuri = \"sips:bob@example.org\"\nregister = false\n",
    );
    let account = |login: &str| {
        let account = settings.sip.accounts.get(&LoginName(login.to_owned())).expect(login);
        account.account(settings.sip.expires).unwrap()
    };
    let alice = account("alice");
    assert_eq!(alice.identity.name.as_deref(), Some("Alice"));
    assert_eq!(alice.login, Some(Login::new("4711", "tulip")));
    assert_eq!(alice.registrar, Some("sip:example.org:5070".parse().unwrap()));
    assert_eq!(alice.route, ["sip:192.0.2.7;lr", "sip:p.test;lr"].map(|uri| uri.parse().unwrap()));
    assert_eq!((alice.transport, alice.expires), (Some(Transport::Tcp), Duration::from_secs(120)));
    let bob = account("bob");
    assert_eq!((bob.login, bob.registrar, bob.identity.uri.to_string().as_str()), (None, None, "sips:bob@example.org"));
}

#[test]
fn invalid_account_is_rejected_with_its_line() {
    let account = |text: &str| error_of(&format!("[[sip.accounts]]\nlogin = \"alice\"\n{text}\n"));
    assert_eq!(
        account("usrname = \"x\""),
        "relay.toml:3: `usrname` is not an option of [[sip.accounts]]; did you mean `username`?"
    );
    for wrong in ["alice", "sip:example.org", "sip:alice@", "sip:alice@exa mple.org", "tel:4711", "sip:a@b:99999"] {
        let error = account(&format!("uri = \"{wrong}\""));
        assert!(error.starts_with("relay.toml:3: `uri`: ") && error.contains("`sip:alice@example.org`"), "{error}");
    }
    assert!(account("uri = \"sip:a@b\"\nregistrar = \"sip:user@b\"").starts_with("relay.toml:4: `registrar`: "));
    assert!(account("proxy = [\"b\"]").starts_with("relay.toml:3: `proxy`: "));
    assert!(account("retry_interval = 0").starts_with("relay.toml:3: `retry_interval`: the minimum is 1 s"));
    assert!(account("transport = \"ws\"").starts_with("relay.toml:3: `transport`: "));
    assert!(account("password_file = \"/nonexistent/password\"").starts_with("relay.toml:3: `password_file`: "));
    let uri = "uri = \"sip:a@b\"\nsources = ";
    for (sources, problem) in [
        ("\"sbc.b\"", "`sbc.b` is not a network"),
        ("\"0.0.0.0/0\"", "`0.0.0.0/0` contains every address"),
        ("\"::ffff:0:0/96\"", "`0.0.0.0/0` contains every address"),
        ("\"::ffff:10.0.0.0/8\"", "`::ffff:10.0.0.0/8` is an IPv4-mapped network with a prefix below 96"),
    ] {
        let error = account(&format!("{uri}[{sources}]"));
        assert!(error.starts_with(&format!("relay.toml:4: `sources`: {problem}")), "{error}");
    }
    assert!(account("name = \"A\"").starts_with("[[sip.accounts]]: the account of `alice` has no `uri`"));
    assert!(error_of("[[sip.accounts]]\nuri = \"sip:a@b\"\n").starts_with("relay.toml:1: `login` is missing"));
    assert!(error_of("[sip.accounts]\nalice = 1\n").contains("write `[[sip.accounts]]`"));
    let double = "[[sip.accounts]]\nlogin = \"a\"\nuri = \"sip:a@b\"\n".repeat(2);
    assert!(error_of(&double).starts_with("relay.toml:4: `a` already has an account"));
    assert!(error_of("[sip.trunk]\npassword = \"x\"\n").starts_with("[sip.trunk]: `uri` is missing"));
    assert!(error_of("[sip.trunk]\nurl = \"x\"\n").contains("`trunk.url` is not an option"));
}

#[test]
fn sources_of_accounts_and_trunk_are_read() {
    let text = "[sip.trunk]\nuri = \"sip:a@b\"\nsources = [\"192.0.2.7\", \"2001:db8::/32\"]\n\
                [[sip.accounts]]\nlogin = \"alice\"\nuri = \"sip:c@b\"\nsources = [\"198.51.100.0/24\"]\n";
    let sip = accepted(text).sip;
    assert_eq!(
        sip.trunk.account(sip.expires).unwrap().sources,
        ["192.0.2.7", "2001:db8::/32"].map(|text| text.parse().unwrap())
    );
    let alice = sip.accounts[&LoginName("alice".to_owned())].account(sip.expires).unwrap();
    assert_eq!(alice.sources, ["198.51.100.0/24"].map(|text| text.parse().unwrap()));
}

#[test]
fn called_number_is_an_ordered_list() {
    use CalledNumberSource::{CalledPartyId, RequestUri, To};
    let trunk = |line: &str| format!("[sip.trunk]\nuri = \"sip:a@b\"\n{line}\n");
    let order = |text: &str| accepted(text).sip.trunk.account(Duration::from_secs(60)).unwrap().called_number;
    assert_eq!(order(&trunk("")), [RequestUri, CalledPartyId, To]);
    assert_eq!(order(&trunk("called_number = [\"P-Called-Party-ID\", \"to\"]")), [CalledPartyId, To]);
    let account = "[[sip.accounts]]\nlogin = \"alice\"\nuri = \"sip:c@b\"\ncalled_number = [\"to\"]\n";
    let sip = accepted(account).sip;
    assert_eq!(sip.accounts[&LoginName("alice".to_owned())].account(sip.expires).unwrap().called_number, [To]);
    for (list, problem) in [
        ("\"from\"", "`from` is not a part of an INVITE that contains the called number: list some of \"request-uri\""),
        ("\"to\", \"To\"", "`to` is listed twice: list some of \"request-uri\""),
        ("", "the list is empty, so that all calls would be rejected: list some of \"request-uri\""),
    ] {
        let error = error_of(&trunk(&format!("called_number = [{list}]")));
        assert!(error.starts_with(&format!("relay.toml:3: `trunk.called_number`: {problem}")), "{error}");
    }
    let settings = accepted(&trunk("called_number = [\"to\", \"request-uri\"]"));
    assert!(explain(&settings).contains("sip.trunk.called_number        to, then request-uri\n"));
}

#[test]
fn passwords_from_files_and_variables_are_never_printed() {
    let file = std::env::temp_dir().join(format!("offhook-password-{}", std::process::id()));
    std::fs::write(&file, "tulip in a file\n").unwrap();
    let text = format!("[sip.trunk]\nuri = \"sip:a@b\"\npassword_file = \"{}\"\n", file.display());
    let settings = accepted(&text);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(settings.sip.trunk.password, Some(Secret::new("tulip in a file")));
    let environment = [
        ("OFFHOOK_SIP_TRUNK_URI".to_owned(), "sip:a@b".to_owned()),
        ("OFFHOOK_SIP_TRUNK_PASSWORD".to_owned(), "tulip".to_owned()),
        ("OFFHOOK_RTP_FIRST_PORT".to_owned(), "4000".to_owned()),
    ];
    let flags = [("sip.trunk.numbers.alice".to_owned(), Given::Text("4711".to_owned()))];
    let settings = load(None, environment, &flags).unwrap();
    assert_eq!(settings.sip.trunk.password, Some(Secret::new("tulip")));
    assert_eq!(settings.sip.rtp_first_port, 4_000);
    assert_eq!(settings.sip.trunk_numbers[&LoginName("alice".to_owned())], "4711");
    let mut settings = settings;
    settings.sip.phones.insert("101".to_owned(), Verifier::Password(Secret::new("tulip")));
    assert!(!explain(&settings).contains("tulip") && !format!("{settings:?}").contains("tulip"));
    assert!(explain(&settings).contains("sip.trunk.password             given\n"));
}

#[test]
fn conflicting_options_are_rejected() {
    assert!(error_of("[sip]\ntls_key = \"k.pem\"\n").contains("without `tls_certificate`"));
    assert!(error_of("[sip]\nsession_expires = 60\n").contains("RFC 4028"));
    assert!(error_of("[sip]\nsession_expires = 100\nmin_session_expires = 120\n").contains("is shorter than"));
    assert!(error_of("[sip]\nexpires = 10\n").contains("the minimum is 60 s"));
    assert!(error_of("[rtp]\nfirst_port = 100\nlast_port = 102\n").contains("fewer than four ports"));
    assert!(error_of("[rtp]\naddress = [\"192.0.2.1\", \"192.0.2.2\"]\n").contains("one IPv4 and one IPv6"));
    assert!(error_of("[rtp]\nprofile = \"webrtc\"\nsrtp = \"off\"\n").contains("only one of them"));
    assert!(error_of("[rtp]\naddress = [\"0.0.0.0\"]\n").contains("`0.0.0.0`"));
    assert!(error_of("[sip]\ndns = [\"dns.test\"]\n").contains("`192.0.2.53`"));
    let settings = accepted(
        "[sip]\ndns = [\"192.0.2.53\", \"[::1]:5353\"]\ntls_verify = \"off\"\nsession_expires = 0\n[rtp]\nsrtp = \"required\"\nprofile = \"webrtc\"\n",
    );
    assert_eq!(settings.sip.dns, ["192.0.2.53:53".parse().unwrap(), "[::1]:5353".parse().unwrap()]);
    assert_eq!((settings.sip.tls_verify, settings.sip.rtp_srtp), (Verify::Off, Srtp::Required));
    assert_eq!(settings.sip.rtp_profile, MediaProfile::WebRtc);
}

#[test]
fn mistyped_hash_of_a_phone_is_rejected() {
    let digits = "0123456789abcdef0123456789abcdef";
    let with = |password: &str| {
        parse("test.toml", &format!("[sip]\ndomain = \"a.test\"\n[sip.phones]\n101 = \"{password}\"\n"))
    };
    for (password, expected) in [
        (format!("md5:{}", &digits[1..]), "md5 has 32 hexadecimal digits, not 31"),
        (format!("md5: {digits}"), "md5 has 32 hexadecimal digits"),
        (format!("sha-256:{digits}"), "sha-256 has 64 hexadecimal digits"),
        ("md5:tulip".to_owned(), "md5 has 32 hexadecimal digits"),
        (format!("mp5:{digits}"), "a hash of an unknown kind (known: md5, sha-256, sha-512-256)"),
    ] {
        let error = with(&password).unwrap_err().to_string();
        assert!(
            error.contains("test.toml:4") && error.contains(expected) && error.contains("hash-password"),
            "{error}"
        );
        assert!(!error.contains(digits) && !error.contains("tulip"), "a password is never printed: {error}");
    }
    assert!(matches!(with(&format!("MD5:{digits}")).unwrap().sip.phones["101"], Verifier::Ha1 { .. }));
    for password in ["tulip", "a:b", "rose:12"] {
        assert!(matches!(with(password).unwrap().sip.phones["101"], Verifier::Password(_)), "{password}");
    }
}
